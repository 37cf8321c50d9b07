"""The hall: what Airflow needs to arrange Streamweir's work.

Operators translate, hooks talk, plain code thinks.

Nothing here imports Spark, Great Expectations, pandas or matplotlib when it is loaded: a DAG file parses in
well under a second.
"""
