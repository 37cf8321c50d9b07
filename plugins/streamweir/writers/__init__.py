"""What a stage writes beside topics and tables of the stream: CSV files, partitions, rows of a database.

Each is written once, although a step may be begun by one process and ended by the next (ADR 0013).
"""
