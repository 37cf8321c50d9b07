"""Rejected records: to be looked at, and to be put back on their topic, each at most once."""
