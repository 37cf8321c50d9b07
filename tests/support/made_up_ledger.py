"""The reconciliation of made-up runs."""

from collections.abc import Mapping
from unittest import mock

from streamweir.broker.records import Record
from streamweir.connections import KafkaConnection
from streamweir.ledger import reconciliation
from streamweir.ledger.values import Ledger
from tests.support.made_up_run import MadeUpRun
from tests.support.made_up_stages import MadeUpStages


def reconcile_made_up(made_up: MadeUpRun | MadeUpStages) -> Ledger:
    """Reconcile a made-up run: its records take the place of the broker's."""

    def read_topic(
        _: KafkaConnection,
        topic: str,
        *,
        start: Mapping[int, int] | None,
        end: Mapping[int, int] | None = None,
    ) -> list[Record]:
        first = start or {}
        return [record for record in made_up.topics[topic] if record.offset >= first.get(record.partition, 0)]

    with (
        mock.patch.object(reconciliation, "read_topic", read_topic),
        mock.patch.object(reconciliation, "log_end", return_value={}),
        mock.patch.object(reconciliation, "refuse_deleted"),
    ):
        return reconciliation.reconcile(made_up.run, KafkaConnection("nowhere:1"), made_up.store)
