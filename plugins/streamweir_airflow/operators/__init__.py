"""One operator per task: from Airflow's context to plain calls, and from their errors to Airflow's."""
