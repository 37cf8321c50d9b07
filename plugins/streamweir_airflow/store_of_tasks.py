"""`python -m streamweir_airflow.store_of_tasks`: where `minio_default` points, for a program without Airflow.

It prints, as JSON, the environment from which `StoreConnection.from_env` makes the connection; that holds its
secret.
"""

import json
import sys

from streamweir_airflow.hooks import StoreHook

if __name__ == "__main__":
    sys.stdout.write(json.dumps(StoreHook().connection.to_env()) + "\n")
