"""Pages of Airflow's api-server on streams and runs: what works now, and what each run left."""
