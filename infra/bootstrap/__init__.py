"""From a fresh clone to a virtual environment. Standard library only: nothing is installed yet when this runs."""
