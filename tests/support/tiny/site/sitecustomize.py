"""Python imports this at its start where a test put the folder on the path: the pipelines are declared."""

from tests.support.tiny import declared

_FOR_GOOD = declared()
_FOR_GOOD.__enter__()
