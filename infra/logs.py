"""The logs of services and scorers."""

import subprocess
from pathlib import Path

from infra.layout import Layout
from streamweir.errors import BadConfiguration


def show(layout: Layout, service: str, lines: int, *, follow: bool) -> None:
    """Print the last lines of one log, or of all services; raises BadConfiguration for one without a log.

    A scorer's log has the name of its stream, e.g. `card_fraud.prod`.
    """
    services = {path.stem: path for path in sorted(layout.logs.glob("*.log"))}
    scorers = {path.parent.name: path for path in sorted(layout.work.glob("scorers/*/scorer.log"))}
    if not services:
        raise BadConfiguration(f"there are no logs in {layout.logs}: run `make up`")
    known = services | scorers
    if service and service not in known:
        raise BadConfiguration(f"no log of {service!r}; there are: {', '.join(known)}")
    chosen = [known[service]] if service else list(services.values())
    _tail(chosen, lines, follow=follow)


def _tail(paths: list[Path], lines: int, *, follow: bool) -> None:
    argv = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, paths)]
    try:
        subprocess.run(argv, check=False)
    except KeyboardInterrupt:
        return
