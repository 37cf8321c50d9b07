"""The MinIO object store, and what each account may do in it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider

from infra.layout import Layout, make_private
from infra.secrets import Secrets
from infra.service import Service
from streamweir.contracts.streams import BUCKETS
from streamweir.settings import Settings

NAME = "minio"
_READ = ("s3:GetObject",)
_WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_LIST = ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads")


def service(settings: Settings, layout: Layout, tools: Mapping[str, Path], secrets: Secrets) -> Service:
    """MinIO, ready when its health endpoint says so; its buckets and accounts are made then."""
    folder = layout.data(NAME)
    quiet = ("--quiet", "--certs-dir", str(folder / "certs"))
    addresses = ("--address", f"127.0.0.1:{settings.minio_port}")
    console = ("--console-address", f"127.0.0.1:{settings.minio_console_port}")
    return Service(
        name=NAME,
        argv=(str(tools["minio"]), "server", *quiet, *addresses, *console, str(folder / "data")),
        env={
            "MINIO_ROOT_USER": secrets.minio_root_user,
            "MINIO_ROOT_PASSWORD": secrets.minio_root_password,
            "MINIO_SITE_REGION": settings.store_region,
            "MINIO_UPDATE": "off",
            # Go would otherwise let garbage pile up to twice what is live.
            "GOGC": "50",
            "GOMEMLIMIT": "512MiB",
        },
        ready=lambda: _missing(settings.minio_port),
        prepare=lambda: _prepare(folder),
        provision=lambda: _provision(settings, secrets),
        ports={
            settings.variable("minio_port"): settings.minio_port,
            settings.variable("minio_console_port"): settings.minio_console_port,
        },
    )


def _prepare(folder: Path) -> None:
    # MinIO keeps its accounts' passwords as they are, in files that a group may read.
    make_private(folder)
    (folder / "data").mkdir(exist_ok=True)


def _missing(port: int) -> str | None:
    url = f"http://127.0.0.1:{port}/minio/health/ready"
    try:
        answer = urllib3.request("GET", url, timeout=2, retries=False)
    except urllib3.exceptions.HTTPError:
        return "its health endpoint does not answer"
    return None if answer.status == 200 else f"its health endpoint says {answer.status}"


def _provision(settings: Settings, secrets: Secrets) -> None:
    """Make what is missing: buckets, policies, the tasks' and the scorer's account. Safe to repeat."""
    endpoint = f"127.0.0.1:{settings.minio_port}"
    region = settings.store_region
    root = StaticProvider(secrets.minio_root_user, secrets.minio_root_password)
    client = Minio(endpoint, credentials=root, secure=False, region=region)
    for bucket in BUCKETS:
        name = f"{settings.store_bucket_prefix}{bucket}"
        if not client.bucket_exists(name):
            client.make_bucket(name)
    admin = MinioAdmin(endpoint=endpoint, credentials=root, secure=False, region=region)
    accounts = {
        "tasks": (secrets.minio_tasks_user, secrets.minio_tasks_password),
        "scorer": (secrets.minio_scorer_user, secrets.minio_scorer_password),
    }
    for role, policy in policies(settings.store_bucket_prefix).items():
        user, password = accounts[role]
        admin.policy_add(f"streamweir-{role}", policy=policy)
        admin.user_add(user, password)
        # Attaching a policy that is attached already is refused; setting it is not.
        admin.policy_set(f"streamweir-{role}", user=user)


def policies(prefix: str) -> dict[str, dict[str, Any]]:
    """The policy of each role: tasks work in all buckets; the scorer reads inputs and writes its stream."""
    return {
        "tasks": _policy(prefix, read=BUCKETS, write=BUCKETS),
        "scorer": _policy(prefix, read=("datasets", "models", "streams"), write=("streams",)),
    }


def _policy(prefix: str, *, read: Iterable[str], write: Iterable[str]) -> dict[str, Any]:
    read = tuple(read)
    statements = [
        _allow(_LIST, (f"arn:aws:s3:::{prefix}{bucket}" for bucket in read)),
        _allow(_READ, (f"arn:aws:s3:::{prefix}{bucket}/*" for bucket in read)),
        _allow(_WRITE, (f"arn:aws:s3:::{prefix}{bucket}/*" for bucket in write)),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
