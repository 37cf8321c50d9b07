"""The one trigger: looks at a stream's status once a second, in the triggerer, holding no worker slot."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from streamweir.contracts.streams import Stream
from streamweir.errors import Retryable
from streamweir.scorer.health import Watch
from streamweir.scorer.status import in_words
from streamweir_airflow.hooks import STORE, StoreHook
from streamweir_airflow.waiting import WAITS, Outcome, Waited, look

_LOOK_EVERY_S = 1.0
_SAY_EVERY = 10


class ScorerTrigger(BaseTrigger):
    """Waits for what `wait` names (see `waiting.WAITS`).

    The event carries all that the resuming method needs: Airflow does not hand over anything else in every
    mode. deadline: ISO time after which a wait without an end is given up; none for a drain, whose length
    is the backlog's. outage_s: for how many seconds the object store may be away; None: for as long as it is.
    asked_again: how often the wait has led to a new start of the scorer.
    """

    def __init__(
        self,
        *,
        wait: str,
        pipeline: str,
        stream: str,
        stage: str = "",
        flush_sequence: int = -1,
        asked_again: int = 0,
        deadline: str | None = None,
        outage_s: int | None = None,
        conn_id: str = STORE,
    ) -> None:
        super().__init__()
        self.wait = wait
        self.stream = Stream(pipeline, stream, stage)
        self.flush_sequence = flush_sequence
        self.asked_again = asked_again
        self.deadline = deadline
        self.outage_s = outage_s
        self.conn_id = conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """For Airflow's database: no secret is in it, the connection is looked up by its id."""
        arguments = {
            "wait": self.wait,
            "pipeline": self.stream.pipeline,
            "stream": self.stream.id,
            "stage": self.stream.stage,
            "flush_sequence": self.flush_sequence,
            "asked_again": self.asked_again,
            "deadline": self.deadline,
            "outage_s": self.outage_s,
            "conn_id": self.conn_id,
        }
        return f"{type(self).__module__}.{type(self).__name__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the wait is over."""
        store = await StoreHook(self.conn_id).astore()
        watch = Watch()
        waited, looks, reached_at, said = None, 0, datetime.now(UTC), ""
        while waited is None:
            now = datetime.now(UTC)
            try:
                seen = await asyncio.to_thread(look, store, self.stream, watch)
            except Retryable as error:
                # A scorer could not write either: only from here on its silence means something.
                watch = Watch()
                waited = self._unreachable(error, now - reached_at) or self._too_late(now)
            else:
                reached_at = now
                waited = WAITS[self.wait](seen, self.flush_sequence) or self._too_late(now)
                if looks % _SAY_EVERY == 0 and (words := in_words(seen.status)) != said:
                    said = words
                    self.log.info("waiting until %s: %s", self.wait, said)
            looks += 1
            if waited is None:
                await asyncio.sleep(_LOOK_EVERY_S)
        yield TriggerEvent(self.event(waited))

    def event(self, waited: Waited) -> dict[str, Any]:
        """What the resuming task is given."""
        stage = {"stage": self.stream.stage} if self.stream.stage else {}
        return stage | {
            "outcome": waited.outcome.value,
            "sentence": waited.sentence,
            "flush_sequence": self.flush_sequence,
            "asked_again": self.asked_again,
        }

    def _too_late(self, now: datetime) -> Waited | None:
        if self.deadline is None or now < datetime.fromisoformat(self.deadline):
            return None
        return Waited(Outcome.GIVEN_UP, f"the scorer was not {self.wait} by {self.deadline}")

    def _unreachable(self, error: Retryable, since: timedelta) -> Waited | None:
        given_up = self.outage_s is not None and since > timedelta(seconds=self.outage_s)
        return Waited(Outcome.GIVEN_UP, str(error)) if given_up else None
