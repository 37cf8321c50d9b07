"""`make lock`: work out all Python packages anew from pyproject.toml, with the checksum of every file."""

import sys
from pathlib import Path

from infra.bootstrap import python_env
from infra.bootstrap.processes import SetupFailed, run

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Write the lock file, without any address so that it serves behind a mirror; returns the exit status."""
    try:
        uv, env = python_env.installer(CHECKOUT)
        what = ["pyproject.toml", "--group", "dev", "--output-file", str(python_env.REQUIREMENTS), "--quiet"]
        how = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]
        run([uv, "pip", "compile", *how, *what], python_env.NETWORK, env, CHECKOUT)
    except SetupFailed as error:
        print(f"lock failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
