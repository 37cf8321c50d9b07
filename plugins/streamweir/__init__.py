"""Streamweir's foundation: what every room may use. Imports no Airflow, no Spark, no Great Expectations."""
