"""The engine room: what runs inside Spark's driver and its Python workers. Imports the foundation only."""
