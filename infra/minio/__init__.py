"""The MinIO object store."""
