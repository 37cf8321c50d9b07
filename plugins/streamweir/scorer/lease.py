"""One writer per stream: a lease taken and renewed by compare-and-set on one object.

Nobody compares clocks. The holder rewrites the object every few seconds, so its ETag changes; a contender
watches the ETag on its own monotonic clock and takes the lease when it has not changed for long enough. A
conditional put decides between two contenders. The lease is released by rewriting it, because MinIO heeds no
condition on a delete.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from streamweir.contracts.formats import stored_format
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamHeld, StreamweirError
from streamweir.objectstore import ObjectStore, to_json
from streamweir.scorer.status import timestamp

FORMAT = 1
"""Of the leases that are written; the first ones of it do not say so."""
RENEW_S = 3.0
FREE_AFTER_S = 10.0
_LOOK_S = 1.0
_NO_ETAG = "0" * 32


class Lease:
    """The right to write a stream.

    `holder` may take it over from itself at once: a restarted driver of one keeper.
    """

    def __init__(
        self,
        store: ObjectStore,
        stream: Stream,
        holder: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._store = store
        self._stream = stream
        self.holder = holder
        self._clock = clock
        self._pause = pause or threading.Event().wait
        self._token = uuid.uuid4().hex
        self._beat = 0
        self._etag = ""
        self._renewed_at = 0.0
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take the lease; raises StreamHeld when another scorer holds it, after 10 s at the latest.

        Raises BadConfiguration for a lease of a format that is not known, and for a store that heeds no
        condition: there two scorers could hold a stream at once.
        """
        found = self._store.get_with_etag(self._stream.lease)
        if found is None:
            etag = self._store.put_if_absent(self._stream.lease, self._content())
        else:
            content = json.loads(found[0])
            stored_format(content, FORMAT, str(self._stream.lease), "take another stream id")
            if not content["released"] and content["holder"] != self.holder:
                self._watch(found[1], content["holder"])
            etag = self._store.put_if_match(self._stream.lease, self._content(), found[1])
        if etag is None:
            raise StreamHeld(f"another scorer took stream {self._stream} in this moment")
        self._etag, self._renewed_at = etag, self._clock()
        self._doubt_the_store()

    def renew(self) -> None:
        """Say that the holder lives; raises StreamHeld when somebody else has taken over."""
        with self._lock:
            began = self._clock()
            etag = self._store.put_if_match(self._stream.lease, self._content(), self._etag)
            # A lost answer to an earlier put leaves our own content there under an ETag that we never saw.
            self._etag = etag or self._own_etag()
            self._renewed_at = began

    def ensure(self) -> None:
        """Before something is written: renew when the last renewal is no proof any more."""
        if self._clock() - self._renewed_at > FREE_AFTER_S - RENEW_S:
            self.renew()

    def release(self) -> None:
        """Give the lease back, so that the next scorer need not watch it.

        Nothing happens when it was lost.
        """
        with self._lock:
            self._store.put_if_match(self._stream.lease, self._content(released=True), self._etag)

    def _doubt_the_store(self) -> None:
        """Both writes must be refused: the lease is there, and has another ETag."""
        lease, content = self._stream.lease, self._content(released=True)
        for condition, etag in (
            ("If-None-Match", self._store.put_if_absent(lease, content)),
            ("If-Match", self._store.put_if_match(lease, content, _NO_ETAG)),
        ):
            if etag is not None:
                raise BadConfiguration(
                    f"the object store does not heed {condition}: two scorers could write stream "
                    f"{self._stream} at once; use a store with conditional writes, such as S3 or MinIO"
                )

    def _watch(self, etag: str, holder: str) -> None:
        free_at = self._clock() + FREE_AFTER_S
        while self._clock() < free_at:
            self._pause(_LOOK_S)
            found = self._store.get_with_etag(self._stream.lease)
            if found is None or found[1] != etag:
                raise StreamHeld(
                    f"stream {self._stream} is held by scorer {holder}: stop it, or take another stream id"
                )

    def _own_etag(self) -> str:
        found = self._store.get_with_etag(self._stream.lease)
        if found is None or json.loads(found[0])["token"] != self._token:
            raise StreamHeld(f"stream {self._stream} was taken over by another scorer")
        etag = self._store.put_if_match(self._stream.lease, self._content(), found[1])
        if etag is None:
            raise StreamHeld(f"stream {self._stream} was taken over by another scorer")
        return etag

    def _content(self, *, released: bool = False) -> bytes:
        self._beat += 1
        content: dict[str, Any] = {
            "format": FORMAT,
            "holder": self.holder,
            "token": self._token,
            "beat": self._beat,
            "released": released,
            "written_at": timestamp(),
        }
        return to_json(content)


class Renewal:
    """Renews a lease in the background; `lost` is called once when that cannot be done any more.

    Somebody else has taken it over then, or the store refuses.
    """

    def __init__(self, lease: Lease, lost: Callable[[StreamweirError], None]) -> None:
        self._lease = lease
        self._lost = lost
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> "Renewal":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(RENEW_S):
            try:
                self._lease.renew()
            except DependencyUnreachable:
                # While nobody can reach the store nobody can take the lease; `ensure` guards every write.
                continue
            except StreamweirError as error:
                self._lost(error)
                return


@contextmanager
def held(lease: Lease, lost: Callable[[StreamweirError], None]) -> Iterator[None]:
    """Take a lease and renew it meanwhile; errors as in `Lease.take`, lost: as in `Renewal`."""
    lease.take()
    try:
        with Renewal(lease, lost):
            yield
    finally:
        # Without an answer the lease becomes free by itself.
        with suppress(DependencyUnreachable, StreamHeld):
            lease.release()
