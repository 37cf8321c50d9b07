"""PostgreSQL, for Airflow's metadata."""
