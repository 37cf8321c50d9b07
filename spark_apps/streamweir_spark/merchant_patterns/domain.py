"""How `merchant_patterns` works on chunks: in order, each once, looking after each for what holds now."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from streamweir.contracts.merchant_patterns import LATENESS_S, PIPELINE, Rules
from streamweir.contracts.tables import Column
from streamweir_spark.core import Judged, Reject, Released
from streamweir_spark.merchant_patterns.patterns import Found, Merchant, Places, holding
from streamweir_spark.merchant_patterns.reader import END, Payments

ENDED: tuple[()] = ()
"""What `closed` gives for the end of a run, behind the detections before it."""


class Domain:
    """Remembers all payments, summed up; see `streamweir_spark.core.Domain`.

    What a chunk costs follows from its rows and from the customers of its merchants, not from the chunks
    before it. rules: what the patterns go by. places: of the weights, as `places_of` gives them.
    """

    reads = PIPELINE.reads
    scored_columns: tuple[Column, ...] = ()

    def __init__(self, rules: Rules, places: Places | None = None, lateness_s: int = LATENESS_S) -> None:
        self._rules, self._places, self.lateness_s = rules, places or {}, lateness_s
        self.load(None)

    def load(self, state: tuple[Any, ...] | None) -> None:
        """Go on from a state, or from nothing."""
        merchants, reported, waiting = state or ((), set(), {})
        self.merchants = defaultdict(Merchant, {name: Merchant(*known) for name, *known in merchants})
        self.reported: set[tuple[str, str, str]] = reported
        # Customers whose payments were put back by hand, by merchant: they are looked at with the next chunk.
        self._waiting: Mapping[str, set[str]] = waiting
        self._closed: list[tuple[object, ...]] = []

    def dump(self, max_ts: int | None) -> tuple[Any, ...]:
        """The sums of all payments, and what was reported."""
        merchants = [
            (name, one.transactions, one.customers, one.female, one.male)
            for name, one in self.merchants.items()
        ]
        return merchants, self.reported, self._waiting

    def use(self, topic: str, ts: int, rows: Any) -> tuple[int, Iterable[Judged]]:
        """Count the payments of a chunk, and report what holds after it for the first time."""
        if rows == END:
            self._closed.append(ENDED)
            return 0, ()
        payments = Payments(*rows)
        touched = self._count(payments)
        if payments.again:
            self._waiting = touched
        else:
            self._waiting = {}
            self._report(payments, sorted(set(self._holding(touched)) - self.reported))
        return payments.rows, ()

    def prepare(self, messages: Sequence[Released]) -> list[Any]:
        """The rows as they are: nothing is scored row by row."""
        return [message.rows for message in messages]

    def score(self, run: str, ts: int, rows: Any) -> Iterator[Judged]:
        """Nothing is scored row by row."""
        raise NotImplementedError

    def closed(self, max_ts: int | None) -> Iterable[tuple[object, ...]]:
        """The detections since the last time this was asked: run, chunk, pattern, merchant, customer; and
        ENDED."""
        found, self._closed = self._closed, []
        return found

    def late(self, topic: str, ts: int, rows: Any) -> Iterator[Reject]:
        """The rows of a late chunk; a late flush ends nothing."""
        if rows != END and (late := Payments(*rows).rows):
            detail = f"ts {ts} is more than {self.lateness_s} s behind a message that was sent before"
            yield Reject(-1, late, None, detail, None)

    def _count(self, payments: Payments) -> dict[str, set[str]]:
        """Remember a chunk; gives its customers by merchant, with those that wait."""
        touched = defaultdict(set, {name: set(customers) for name, customers in self._waiting.items()})
        for (merchant, customer), (number, total) in payments.pairs.items():
            self.merchants[merchant].add(customer, number, total)
            touched[merchant].add(customer)
        for merchant, customer in payments.female:
            self.merchants[merchant].female.add(customer)
        for merchant, customer in payments.male:
            self.merchants[merchant].male.add(customer)
        return dict(touched)

    def _holding(self, touched: Mapping[str, set[str]]) -> Iterator[Found]:
        for name, customers in touched.items():
            places = self._places.get(name, {})
            yield from holding(name, self.merchants[name], customers, self._rules, places)

    def _report(self, payments: Payments, found: list[Found]) -> None:
        # As plain texts: a state outlives the classes.
        plain = [(one.pattern.value, one.merchant, one.customer) for one in found]
        self.reported.update(plain)
        self._closed += [(payments.run, payments.chunk, *one) for one in plain]
