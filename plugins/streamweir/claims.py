"""Claim checks: a message that names an object in place of its rows, which are too many for a topic."""

import hashlib
import re
from dataclasses import dataclass

import orjson

from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration, DatasetUnusable, RejectRecord
from streamweir.objectstore import ObjectStore
from streamweir.variables import CLAIM_BYTES

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{1,39}(?:/(?!\.{1,2}(?:/|$))[^/\x00-\x1f]+)+")
_LONGEST_KEY = 1000


@dataclass(frozen=True)
class Claim:
    """What a message says of its object. size: in bytes. sha256: of its content, lower-case hex."""

    key: ObjectKey
    size: int
    sha256: str

    @classmethod
    def of(cls, key: ObjectKey, data: bytes) -> "Claim":
        """The claim to an object with this content."""
        return cls(key, len(data), hashlib.sha256(data).hexdigest())

    def to_json(self) -> dict[str, object]:
        """What a message says; it may say more beside it."""
        return {"key": str(self.key), "bytes": self.size, "sha256": self.sha256}

    @classmethod
    def read(cls, value: bytes) -> "Claim":
        """The claim in a message, a JSON object with at least `to_json`; raises RejectRecord for another."""
        try:
            said = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise RejectRecord(f"the message is not JSON: {error}") from error
        if not isinstance(said, dict):
            raise RejectRecord("the message is not a JSON object that names an object of the store")
        key, size, sha256 = said.get("key"), said.get("bytes"), said.get("sha256")
        if not (isinstance(key, str) and _KEY.fullmatch(key) and len(key.encode()) <= _LONGEST_KEY):
            raise RejectRecord(f"key is {key!r:.200}, not a bucket, / and an object's key")
        if type(size) is not int or size < 0:
            raise RejectRecord(f"bytes is {size!r:.80}, not a number of bytes")
        if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
            raise RejectRecord(f"sha256 is {sha256!r:.80}, not 64 hexadecimal digits")
        return cls(ObjectKey(*key.split("/", 1)), size, sha256)


class Content(bytes):
    """An object's content, with the claim to it."""

    claim: Claim

    @classmethod
    def of(cls, claim: Claim, data: bytes) -> "Content":
        """The content that was claimed."""
        found = cls(data)
        found.claim = claim
        return found


def fetch(store: ObjectStore, claim: Claim, most_bytes: int) -> Content:
    """The object's content, checked.

    Raises RejectRecord for one that is announced as empty or as larger than `most_bytes`, and DatasetUnusable
    when the store does not hold what was announced: nothing that was sent behind it may be worked on then.
    """
    if not claim.size:
        raise RejectRecord(f"object {claim.key} is empty")
    if claim.size > most_bytes:
        raise RejectRecord(
            f"object {claim.key} has {claim.size:,} bytes, more than {CLAIM_BYTES} allows ({most_bytes:,})"
        )
    # One byte more shows that the object is another, however large that one is.
    data = store.get(claim.key, at_most=claim.size + 1)
    if data is not None and Claim.of(claim.key, data) == claim:
        return Content.of(claim, data)
    fate = "is gone" if data is None else "has other bytes now"
    raise DatasetUnusable(
        f"object {claim.key} was announced and {fate}: put back the one with {claim.size:,} bytes "
        f"and SHA-256 {claim.sha256}, and start the scorer again; it goes on there"
    )


def most_bytes_of_env() -> int:
    """The setting STREAMWEIR_CLAIM_BYTES, 64 MiB by default; raises BadConfiguration for no size."""
    said = CLAIM_BYTES.of()
    if not (said.isascii() and said.isdigit() and int(said)):
        raise BadConfiguration(f"{CLAIM_BYTES} is {said[:80]!r}: take a number of bytes, 1 or more")
    return int(said)
