"""What each account may do in the object store, as S3 policies."""

from collections.abc import Iterable
from typing import Any

from streamweir.contracts.streams import BUCKETS

_READ = ("s3:GetObject",)
_WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
_LIST = ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads")


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
