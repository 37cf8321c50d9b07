"""A scorer on real servers for tests: datasets and a model in the store, streams that it works on."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamweir.broker.topics import delete, provision
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datasets.store import upload
from streamweir.ledger import reconcile
from streamweir.ledger.values import Ledger
from streamweir.models.registry import Registry
from streamweir.objectstore import ObjectStore
from streamweir.scorer import stop
from streamweir.scorer.launch import Started, start
from streamweir.scorer.spec import ScorerSpec, Servers
from streamweir.scorer.status import State, Status, read

MODEL = Path(__file__).parents[1] / "fixtures" / "spark35_model.zip"
WITHIN_S = 480


@dataclass(frozen=True)
class Scoring:
    """Servers, a dataset (fingerprint and folder) and a model; work: where the scorers' logs go."""

    servers: Servers
    store: ObjectStore
    fingerprint: str
    folder: Path
    model: str
    work: Path

    @classmethod
    def of(cls, servers: Servers, store: ObjectStore, folder: Path, work: Path) -> "Scoring":
        """With the dataset in this folder, and a model that was trained elsewhere."""
        dataset = upload(store, PIPELINE.name, folder, "test")
        model = Registry(store, PIPELINE.name).register_external(MODEL).version
        return cls(servers, store, dataset.fingerprint, folder, model, work)

    def make(self, stream: Stream) -> None:
        """Create the stream's topics."""
        provision(self.servers.kafka, stream, PIPELINE)

    def begin(self, stream: Stream, *, lateness_s: int = 60, max_messages: int = 2_000) -> None:
        """Start a scorer."""
        spec = ScorerSpec(
            stream=stream,
            scorer="test",
            dataset=self.fingerprint,
            model=self.model,
            time_zone="Australia/Melbourne",
            lateness_s=lateness_s,
            max_messages=max_messages,
            options={
                "lookback_s": 600,
                "retention_s": RETENTION_S,
                "threshold": None,
                "fraud_label": None,
                "scoring": None,
            },
        )
        assert isinstance(start(spec, self.servers, self.store, self.work), Started)

    def await_sequence(
        self, stream: Stream, last: int, each_time: Callable[[Status], None] = lambda status: None
    ) -> None:
        """Return when everything up to this sequence was worked on."""

        def reached(status: Status) -> bool:
            each_time(status)
            return status.next_sequence > last

        self._await(stream, reached)

    def await_offsets(self, stream: Stream, offsets: Mapping[str, Mapping[int, int]]) -> None:
        """Return when the topics (short names) were read up to these offsets: strangers may follow the last
        sequence."""

        def reached(status: Status) -> bool:
            read_to = status.end_offsets or {}
            return all(
                read_to.get(topic, {}).get(str(partition), 0) >= offset
                for topic, ends in offsets.items()
                for partition, offset in ends.items()
            )

        self._await(stream, reached)

    def stop(self, stream: Stream) -> None:
        """Stop the scorer and wait until it is gone."""
        stop.request(self.store, stream, "the test goes on without it")
        self._await_end(stream)

    def interrupt(self, stream: Stream) -> None:
        """The same by a signal, as a shut-down does it: to the keeper, and to its guard, who passes it on."""
        for process in processes(stream, "streamweir.scorer.keeper"):
            process.send_signal(signal.SIGTERM)
        self._await_end(stream)

    def _await_end(self, stream: Stream) -> None:
        self._await(stream, lambda status: status.state == State.STOPPED and status.exit_code == 0)
        _, alive = psutil.wait_procs(processes(stream), timeout=60)
        assert alive == []

    def _await(self, stream: Stream, reached: Callable[[Status], bool]) -> None:
        def look() -> bool:
            status = read(self.store, stream)
            assert status is not None
            assert status.state != State.FAILED, status.error
            return reached(status)

        Retrying(
            retry=retry_if_result(lambda there: not there),
            wait=wait_fixed(0.3),
            stop=stop_after_delay(WITHIN_S),
        )(look)

    def reconcile(self, run: Run) -> Ledger:
        """Account for a run; raises RunFailed when something is unexplained."""
        return reconcile(run, self.servers.kafka, self.store)

    def remove(self, stream: Stream) -> None:
        """End what is left of the stream."""
        for process in processes(stream):
            process.kill()
        delete(self.servers.kafka, stream)
        self.store.delete_folder(stream.root)


def processes(stream: Stream, word: str = "") -> list[psutil.Process]:
    """The stream's keeper, driver and whatever they started, as far as their command lines show it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if word in line and (f"--stream {stream.id} " in line or f"scorers/{stream}/" in line):
            found.append(process)
    return found
