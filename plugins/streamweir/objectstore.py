"""The object store: the `minio` client, spoken to in `ObjectKey`s and heard in Streamweir's errors."""

import io
import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from streamweir.connections import StoreConnection
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration
from streamweir.refusals import refusal, store_errors

_CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_PRESIGNED_FOR = timedelta(minutes=15)
"""As far as S3 lets two clocks differ."""
_CONNECTIONS = 16
"""How many threads may use a store at the same time without losing their connection to another."""


class Stat(NamedTuple):
    """An object's ETag, which changes with its content, and its bytes."""

    etag: str
    size: int


class ObjectStore:
    """Objects of the four buckets.

    Every method raises DependencyUnreachable when the store does not answer or cannot serve at present, and
    BadConfiguration when it refuses the account, the bucket or the object for good.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self.connection = connection
        self._http = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            ca_certs=connection.ca_file or None,
            timeout=urllib3.Timeout(connect=5, read=60),
            retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        self._client = Minio(
            connection.endpoint,
            access_key=connection.access_key,
            secret_key=connection.secret_key,
            secure=connection.secure,
            region=connection.region,
            http_client=self._http,
        )

    def __reduce__(self) -> tuple[type["ObjectStore"], tuple[StoreConnection]]:
        """It travels as its connection."""
        return ObjectStore, (self.connection,)

    def bucket(self, key: ObjectKey) -> str:
        """The full name of the key's bucket."""
        return f"{self.connection.bucket_prefix}{key.bucket}"

    def uri(self, key: ObjectKey) -> str:
        """The address that Spark uses."""
        return f"s3a://{self.bucket(key)}/{key.key}"

    def get(self, key: ObjectKey, *, at_most: int | None = None) -> bytes | None:
        """The object's bytes, or None when there is no such object. at_most: no more of them."""
        found = self.get_with_etag(key, at_most=at_most)
        return found[0] if found else None

    def get_with_etag(self, key: ObjectKey, *, at_most: int | None = None) -> tuple[bytes, str] | None:
        """The object's bytes and its ETag, for a later `put_if_match`."""
        with self._errors(key):
            try:
                response = self._client.get_object(self.bucket(key), key.key)
            except S3Error as error:
                if error.code == "NoSuchKey":
                    return None
                raise
            try:
                return response.read(at_most), response.headers["ETag"].strip('"')
            finally:
                response.close()
                response.release_conn()

    def get_json(self, key: ObjectKey) -> Any:
        """The object as JSON, or None when there is no such object."""
        data = self.get(key)
        return None if data is None else json.loads(data)

    def put(self, key: ObjectKey, data: bytes) -> None:
        """Write an object, whole or not at all."""
        kind = _CONTENT_TYPES.get(Path(key.key).suffix, "application/octet-stream")
        with self._errors(key):
            self._client.put_object(self.bucket(key), key.key, io.BytesIO(data), len(data), content_type=kind)

    def put_json(self, key: ObjectKey, value: object) -> None:
        """Write a value as JSON with sorted keys."""
        self.put(key, to_json(value))

    def put_if_absent(self, key: ObjectKey, data: bytes) -> str | None:
        """Create an object; returns its ETag, or None when it exists already."""
        return self._put_conditionally(key, data, {"If-None-Match": "*"})

    def put_if_match(self, key: ObjectKey, data: bytes, etag: str) -> str | None:
        """Replace an object that still has this ETag; returns the new one, or None when it has another."""
        return self._put_conditionally(key, data, {"If-Match": f'"{etag}"'})

    def upload(self, key: ObjectKey, path: Path) -> None:
        """Write a file as an object."""
        kind = _CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        with self._errors(key):
            self._client.fput_object(self.bucket(key), key.key, str(path), content_type=kind)

    def upload_folder(self, prefix: ObjectKey, folder: Path) -> None:
        """Write all files below a folder under a prefix."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.upload(prefix / path.relative_to(folder).as_posix(), path)

    def download(self, key: ObjectKey, path: Path) -> None:
        """Write an object to a file; raises BadConfiguration when there is no such object."""
        with self._errors(key):
            self._client.fget_object(self.bucket(key), key.key, str(path))

    def download_folder(self, prefix: ObjectKey, folder: Path) -> None:
        """Write all objects below a prefix into a folder; a name that leaves the folder is refused."""
        for key in self.list(prefix):
            path = (folder / key.key.removeprefix(f"{prefix.key}/")).resolve()
            if not path.is_relative_to(folder.resolve()):
                raise BadConfiguration(f"object {key} would be written outside {folder}")
            path.parent.mkdir(parents=True, exist_ok=True)
            self.download(key, path)

    def list(self, prefix: ObjectKey, *, after: ObjectKey | None = None) -> list[ObjectKey]:
        """All objects below a prefix, sorted by key; with `after`, those whose keys come after this one."""
        start = None if after is None else after.key
        with self._errors(prefix):
            found = self._client.list_objects(
                self.bucket(prefix), prefix=f"{prefix.key}/", recursive=True, start_after=start
            )
            return sorted(
                (ObjectKey(prefix.bucket, item.object_name or "") for item in found), key=lambda key: key.key
            )

    def folders(self, prefix: ObjectKey) -> Sequence[str]:
        """The names of the folders directly below a prefix, sorted."""
        with self._errors(prefix):
            found = self._client.list_objects(self.bucket(prefix), prefix=f"{prefix.key}/")
            return sorted((item.object_name or "").split("/")[-2] for item in found if item.is_dir)

    def stat(self, key: ObjectKey) -> Stat | None:
        """What is known of an object without reading it, or None when there is no such object."""
        with self._errors(key):
            try:
                found = self._client.stat_object(self.bucket(key), key.key)
            except S3Error as error:
                if error.code == "NoSuchKey":
                    return None
                raise
            return Stat((found.etag or "").strip('"'), found.size or 0)

    def exists(self, key: ObjectKey) -> bool:
        """Whether there is such an object."""
        return self.stat(key) is not None

    def delete(self, key: ObjectKey) -> None:
        """Remove an object; nothing happens when there is none."""
        with self._errors(key):
            self._client.remove_object(self.bucket(key), key.key)

    def delete_all(self, keys: Sequence[ObjectKey]) -> None:
        """Remove objects of one bucket, many at a time; those that are not there are passed over."""
        if not keys:
            return
        names = (DeleteObject(key.key) for key in keys)
        with self._errors(keys[0]):
            for error in self._client.remove_objects(self.bucket(keys[0]), names):
                key = ObjectKey(keys[0].bucket, error.name or "")
                raise refusal(self.connection.endpoint, key, error.code, error.message or "")

    def delete_folder(self, prefix: ObjectKey, last: ObjectKey | None = None) -> None:
        """Remove all objects below a prefix; `last`, which describes them, only when the others are gone."""
        there = self.list(prefix)
        self.delete_all([key for key in there if key != last])
        self.delete_all([key for key in there if key == last])

    def _put_conditionally(self, key: ObjectKey, data: bytes, condition: dict[str, str]) -> str | None:
        # The minio client takes no conditional headers; a presigned request does.
        with self._errors(key):
            url = self._client.get_presigned_url("PUT", self.bucket(key), key.key, expires=_PRESIGNED_FOR)
            # Not retried blindly: after an ambiguous failure the condition would refuse our own write.
            response = self._http.request("PUT", url, body=data, headers=condition, retries=False)
        if response.status == 412 or (response.status == 404 and "If-Match" in condition):
            return None
        if response.status != 200:
            raise refusal(self.connection.endpoint, key, _said(response, "Code"), _said(response, "Message"))
        return response.headers["ETag"].strip('"')

    def _errors(self, key: ObjectKey) -> AbstractContextManager[None]:
        return store_errors(self.connection.endpoint, key)


def _said(response: urllib3.BaseHTTPResponse, tag: str) -> str:
    found = re.search(rf"<{tag}>([^<]*)</{tag}>", response.data.decode(errors="replace"))
    return found[1] if found else f"status {response.status}"


def to_json(value: object) -> bytes:
    """JSON as Streamweir writes it: sorted keys, indented, UTF-8."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False).encode()
