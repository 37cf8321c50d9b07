"""The lease: one writer, decided by compare-and-set and the contender's own clock."""

import json
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamHeld, StreamweirError
from streamweir.objectstore import ObjectStore
from streamweir.scorer import lease as module
from streamweir.scorer.lease import FREE_AFTER_S, RENEW_S, Lease, Renewal
from tests.support.memory_store import MemoryStore

STREAM = Stream("ecommerce_fraud", "s")


class Clock:
    """A clock that moves only when somebody waits; `then` happens during each wait."""

    def __init__(self, then: Callable[[float], None] = lambda now: None) -> None:
        self.now = 1000.0
        self.then = then

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.then(self.now)


def lease(store: MemoryStore, holder: str, clock: Clock | None = None) -> Lease:
    clock = clock or Clock()
    return Lease(cast(ObjectStore, store), STREAM, holder, clock=clock, pause=clock.wait)


def content(store: MemoryStore) -> dict[str, Any]:
    return dict(store.get_json(STREAM.lease))


def test_the_first_one_takes_a_lease_that_nobody_ever_held() -> None:
    store = MemoryStore()
    lease(store, "a").take()
    assert (content(store)["holder"], content(store)["released"]) == ("a", False)


@pytest.mark.parametrize(
    ("heedless", "named"), [("put_if_absent", "If-None-Match"), ("put_if_match", "If-Match")]
)
def test_a_store_that_writes_whatever_the_condition_is_refused(
    heedless: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    monkeypatch.setattr(store, heedless, lambda key, data, *_: store._put(key, data))
    with pytest.raises(BadConfiguration, match=f"does not heed {named}: two scorers"):
        lease(store, "a").take()
    assert content(store)["released"]


def test_a_released_lease_is_taken_without_watching_it() -> None:
    store, clock = MemoryStore(), Clock()
    first = lease(store, "a")
    first.take()
    first.release()
    lease(store, "b", clock).take()
    assert (content(store)["holder"], clock.now) == ("b", 1000.0)


def test_a_contender_is_refused_as_soon_as_the_holder_renews() -> None:
    store = MemoryStore()
    holder = lease(store, "a")
    holder.take()
    clock = Clock(lambda now: holder.renew() if now >= 1000 + RENEW_S else None)
    with pytest.raises(StreamHeld, match="held by scorer a"):
        lease(store, "b", clock).take()
    assert content(store)["holder"] == "a"
    assert clock.now <= 1000 + RENEW_S + 1


def test_a_dead_holders_lease_is_free_after_ten_seconds_without_a_change() -> None:
    store, clock = MemoryStore(), Clock()
    lease(store, "a").take()
    lease(store, "b", clock).take()
    assert content(store)["holder"] == "b"
    assert FREE_AFTER_S <= clock.now - 1000 <= 15


def test_a_restarted_driver_of_the_same_keeper_takes_over_at_once() -> None:
    store, clock = MemoryStore(), Clock()
    lease(store, "a").take()
    again = lease(store, "a", clock)
    again.take()
    again.renew()
    assert clock.now == 1000.0


def test_of_two_contenders_for_a_dead_lease_one_gets_it() -> None:
    store = MemoryStore()
    lease(store, "a").take()
    # The other one takes it between this one's last look and its put.
    other = lease(store, "b")
    racing = _PutsLate(store, other.take)
    with pytest.raises(StreamHeld, match="in this moment"):
        lease(racing, "c").take()
    assert content(store)["holder"] == "b"


def test_a_holder_that_was_replaced_learns_it_when_it_renews() -> None:
    store = MemoryStore()
    slept = lease(store, "a")
    slept.take()
    lease(store, "b", Clock()).take()
    with pytest.raises(StreamHeld, match="taken over"):
        slept.renew()
    assert content(store)["holder"] == "b"


def test_a_renewal_whose_answer_was_lost_is_no_loss_of_the_lease() -> None:
    store = MemoryStore()
    unlucky = _LosesAnswers(store)
    holder = Lease(cast(ObjectStore, unlucky), STREAM, "a", clock=Clock())
    holder.take()
    unlucky.losing = True
    with pytest.raises(DependencyUnreachable):
        holder.renew()
    unlucky.losing = False
    holder.renew()
    assert content(store)["holder"] == "a"


def test_before_a_write_the_lease_is_renewed_only_when_the_last_renewal_is_old() -> None:
    store, clock = MemoryStore(), Clock()
    holder = lease(store, "a", clock)
    holder.take()
    fresh = content(store)["beat"]
    holder.ensure()
    assert content(store)["beat"] == fresh
    clock.now += FREE_AFTER_S
    holder.ensure()
    assert content(store)["beat"] > fresh


def test_a_holder_that_lost_its_lease_leaves_it_alone_when_it_ends() -> None:
    store = MemoryStore()
    slept = lease(store, "a")
    slept.take()
    lease(store, "b", Clock()).take()
    slept.release()
    assert (content(store)["holder"], content(store)["released"]) == ("b", False)


def test_the_lease_holds_nothing_but_who_and_when() -> None:
    store = MemoryStore()
    lease(store, "a").take()
    assert sorted(json.loads(store.objects[str(STREAM.lease)])) == [
        "beat",
        "format",
        "holder",
        "released",
        "token",
        "written_at",
    ]


def test_a_renewal_that_the_store_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_S", 0)
    mine = lease(MemoryStore(), "a")
    mine.take()
    refused, told, heard = BadConfiguration("access denied"), list[StreamweirError](), threading.Event()

    def refuse() -> None:
        raise refused

    def lost(why: StreamweirError) -> None:
        told.append(why)
        heard.set()

    monkeypatch.setattr(mine, "renew", refuse)
    with Renewal(mine, lost):
        assert heard.wait(10)
    assert told == [refused]


class _PutsLate(MemoryStore):
    """Lets something happen between a read and the put that follows."""

    def __init__(self, store: MemoryStore, meanwhile: Callable[[], None]) -> None:
        self.objects = store.objects
        self._meanwhile = meanwhile

    def put_if_match(self, key: Any, data: bytes, etag: str) -> str | None:
        self._meanwhile()
        return super().put_if_match(key, data, etag)


class _LosesAnswers(MemoryStore):
    """Does what it is asked, but the answer does not arrive."""

    def __init__(self, store: MemoryStore) -> None:
        self.objects = store.objects
        self.losing = False

    def put_if_match(self, key: Any, data: bytes, etag: str) -> str | None:
        answer = super().put_if_match(key, data, etag)
        if self.losing:
            raise DependencyUnreachable("no answer")
        return answer
