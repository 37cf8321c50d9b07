"""The settings that a running stack was started with."""

import json

from infra.layout import Layout, write_private
from streamweir.errors import StackError
from streamweir.settings import Settings

# It says how long `up` waits, nothing about the processes.
_PATIENCE = "ready_timeout_s"


class RunningSettings:
    """A record beside the supervisor, so that a change of settings under a running stack is noticed."""

    def __init__(self, layout: Layout) -> None:
        self._file = layout.supervisor / "settings.json"

    def record(self, settings: Settings) -> None:
        """Remember what the stack is being started with."""
        write_private(self._file, settings.model_dump_json())

    def load(self) -> Settings:
        """The settings that the stack was started with; raises StackError when it never was."""
        if not self._file.exists():
            raise StackError(f"no stack was started in {self._file.parent.parent}: run `make up`")
        return Settings.load(**json.loads(self._file.read_text()))

    def check(self, settings: Settings) -> None:
        """Raise StackError that names each setting that is not what the running stack was started with."""
        recorded = json.loads(self._file.read_text())
        changed = [
            f"{settings.variable(name)} {recorded.get(name)} -> {value}"
            for name, value in settings.model_dump(mode="json").items()
            if recorded.get(name) != value and name != _PATIENCE
        ]
        if changed:
            raise StackError(
                f"the stack is up with other settings ({', '.join(changed)}): run `make down` first"
            )
