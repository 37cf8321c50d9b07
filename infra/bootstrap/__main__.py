"""`make setup`: everything that Streamweir needs, from a fresh clone. Does nothing when it is all there."""

import sys
from pathlib import Path

from infra.bootstrap import cache, python_env, stamp
from infra.bootstrap.processes import SetupFailed, fail, run, say

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Set up unless the stamp says that nothing changed; returns the exit status."""
    try:
        if stamp.is_current(CHECKOUT):
            return 0
        python_env.check_python()
        with cache.exclusive(CHECKOUT / "var" / "setup.lock", say):
            if not stamp.is_current(CHECKOUT):
                _set_up()
    except SetupFailed as error:
        return fail(error)
    except KeyboardInterrupt:
        return fail(SetupFailed("interrupted; run `make setup` to go on"))
    return 0


def _set_up() -> None:
    before = stamp.inputs(CHECKOUT)
    python = python_env.install(CHECKOUT)
    run([python, "-m", "infra.toolchain"], "see the lines above", cwd=CHECKOUT)
    stamp.write(CHECKOUT, before)
    say("done")


if __name__ == "__main__":
    sys.exit(main())
