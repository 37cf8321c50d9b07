"""Operators are imported here, and with them Airflow."""

from tests.support import airflow_home

airflow_home.use()
