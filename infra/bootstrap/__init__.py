"""From a fresh clone to all that is needed. Standard library only: nothing is installed yet."""
