"""Datasets in the object store: checked once, named by their content, never changed."""
