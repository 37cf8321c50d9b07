"""Become a service: `python -m infra.supervisor.launch FILE`, where the file holds its argv and environment.

So neither the supervisor's configuration nor any process list shows a secret. Standard library only: this
runs at every start of every service.
"""

import json
import os
import sys
from pathlib import Path


def main(path: Path) -> None:
    """Replace this process by the one that the file describes."""
    described = json.loads(path.read_text())
    argv = described["argv"]
    # What the supervisor says of the process (SUPERVISOR_PROCESS_NAME) is kept: memory is counted by it.
    env = {key: value for key, value in os.environ.items() if key.startswith("SUPERVISOR_")}
    os.execvpe(argv[0], argv, {**env, **described["env"]})  # noqa: S606


if __name__ == "__main__":
    main(Path(sys.argv[1]))
