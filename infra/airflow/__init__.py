"""Airflow: api-server, scheduler, dag-processor, triggerer."""
