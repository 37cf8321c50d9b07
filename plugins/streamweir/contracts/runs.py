"""Runs: the names of their objects in the store."""

from dataclasses import dataclass

from streamweir.contracts.streams import RUNS, ObjectKey, Stream, named, stream_id_of

DATASET_TASK, MODEL_TASK, DRAINED_TASK = "ensure_dataset", "ensure_model", "await_drained"
"""The tasks whose records say which dataset and which model a run took."""
REPORT, DATA_DOCS = "report.html", "quality/index.html"
"""What people open of a run's bundle."""
PLAN, SUMMARY, COMPARISON = "replay/plan.json", "summary.json", "comparison.json"
"""What programs read of it."""
RECOMPUTED_FORMAT = 1
"""Of the object `Run.recomputed`: validation writes it, and what deletes records reads it."""
COMPARISON_FORMAT = 1
"""Of the object `Run.comparison`: what compares two runs writes it, and the report reads it."""


@dataclass(frozen=True)
class Run:
    """One replay through a stream; its bundle is what a reader of the results opens."""

    stream: Stream
    id: str

    @property
    def bundle(self) -> ObjectKey:
        """The prefix of the run bundle. The run id is made safe for file names the way the stream id is."""
        return ObjectKey(RUNS, f"{self.stream.pipeline}/{self.stream.id}/{stream_id_of(self.id)}")

    def of_stage(self, stage: str) -> "Run":
        """The same run, as one of the stream's stages has it."""
        return Run(self.stream.of_stage(stage), self.id)

    @property
    def parameters(self) -> ObjectKey:
        """The run's parameters by their lower-case names; written by the run's first task."""
        return self.bundle / "parameters.json"

    @property
    def tasks(self) -> ObjectKey:
        """The prefix of the task records."""
        return self.bundle / "tasks"

    def task(self, name: str) -> ObjectKey:
        """What one task did: times, outcome, error, result."""
        return self.tasks / f"{name}.json"

    @property
    def training(self) -> ObjectKey:
        """The result of the training that the run needed, or that it is."""
        return self.bundle / "training.json"

    @property
    def model(self) -> ObjectKey:
        """Which model the run took, and why that one; a run that is cleared takes it again."""
        return self.bundle / "model.json"

    @property
    def selection(self) -> ObjectKey:
        """How the run's model was selected, when it was trained here."""
        return self.bundle / "model_selection_summary.json"

    @property
    def plan(self) -> ObjectKey:
        """What the replay was asked to send; written before the first message, kept by a resumed replay."""
        return self.bundle / PLAN

    @property
    def manifest(self) -> ObjectKey:
        """What the replay did send: written after the flush."""
        return self.bundle / "replay" / "manifest.json"

    @property
    def replay_stop(self) -> ObjectKey:
        """An object that asks the replay of an endless recording to end."""
        return self.bundle / "replay" / "stop.json"

    @property
    def produced(self) -> ObjectKey:
        """The prefix of the producer's own counts, a row per batch in parts."""
        return self.bundle / "replay" / "produced"

    def produced_part(self, first: int) -> ObjectKey:
        """The part whose first batch has this sequence."""
        return self.produced / f"{first:012d}.parquet"

    @property
    def produced_whole(self) -> ObjectKey:
        """The counts in one file, as runs left them before there were parts."""
        return self.bundle / "replay" / "produced.parquet"

    @property
    def redriven(self) -> ObjectKey:
        """How far the stream reaches with the run's records that were put back; absent when none were."""
        return self.bundle / "replay" / "redriven.json"

    @property
    def reconciled(self) -> ObjectKey:
        """When the run was last accounted for, and where its rows begin on the output topics."""
        return self.bundle / "reconciled.json"

    @property
    def ledger(self) -> ObjectKey:
        """What happened to every row; `ledger_table` holds its batches as parquet."""
        return self.bundle / "ledger.json"

    @property
    def ledger_table(self) -> ObjectKey:
        """The ledger's batches as a table: a row per batch and input topic."""
        return self.bundle / "ledger.parquet"

    def table_file(self, name: str) -> ObjectKey:
        """The one file of a result table: this run's rows of committed micro-batches, sorted by key."""
        return self.bundle / named(self.stream.stage, name) / "data.parquet"

    @property
    def latency(self) -> ObjectKey:
        """Seconds from the append in Kafka to the output's commit, a row per message with scored rows."""
        return self._timing("latency")

    @property
    def micro_batches(self) -> ObjectKey:
        """Rows and commit time, a row per micro-batch that worked on the run."""
        return self._timing("micro_batches")

    def _timing(self, name: str) -> ObjectKey:
        return self.bundle / "timing" / f"{named(self.stream.stage, name)}.parquet"

    @property
    def quality(self) -> ObjectKey:
        """The prefix of the data docs."""
        return self.bundle / "quality"

    @property
    def data_docs(self) -> ObjectKey:
        """The page that the data docs begin with."""
        return self.bundle / DATA_DOCS

    @property
    def quality_results(self) -> ObjectKey:
        """What became of each expectation, for programs."""
        return self.quality / "results.json"

    @property
    def recomputed(self) -> ObjectKey:
        """How far the stream was worked out again, and what the next run's validation begins with."""
        return self.bundle / "recomputed" / "next.json"

    def recomputed_table(self, name: str, next_sequence: int) -> ObjectKey:
        """A table of what the next run's validation begins with, of all messages before `next_sequence`."""
        return self.bundle / "recomputed" / str(next_sequence) / f"{name}.parquet"

    @property
    def plots(self) -> ObjectKey:
        """The prefix of the plots."""
        return self.bundle / "plots"

    def plot(self, name: str) -> ObjectKey:
        """One plot."""
        return self.plots / f"{name}.png"

    @property
    def live_plots(self) -> ObjectKey:
        """The prefix of the pictures that are drawn anew while the run goes on."""
        return self.plots / "live"

    @property
    def report(self) -> ObjectKey:
        """The report, for people: one file that needs no other."""
        return self.bundle / REPORT

    @property
    def summary(self) -> ObjectKey:
        """The run in numbers, for programs."""
        return self.bundle / SUMMARY

    @property
    def comparison(self) -> ObjectKey:
        """The run beside the one that it was to be compared with, when one was named."""
        return self.bundle / COMPARISON

    @property
    def memory(self) -> ObjectKey:
        """The memory that was measured while the run ran, when somebody measured it."""
        return self.bundle / "memory.json"
