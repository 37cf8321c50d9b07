"""The connector jars that PySpark does not bring, and the rehearsal of a driver."""
