"""The connector jars that PySpark does not bring."""
