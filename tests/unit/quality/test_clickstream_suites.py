"""What the suites of the clickstream let pass, and what each of them finds."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from streamweir.contracts.clickstream_anomaly import LATENESS_S, PIPELINE, WINDOWS
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.rejected import REJECTED
from streamweir.datagen.clickstream_anomaly import generate
from streamweir.replay.clickstream_anomaly import recording
from streamweir_quality.checks import CRITICAL
from streamweir_quality.clickstream_anomaly import subjects
from streamweir_quality.inputs import Inputs
from streamweir_quality.messages import Message
from streamweir_quality.runner import Outcome, validate
from streamweir_quality.schema import schema_subject
from tests.support.checked_run import replayed_as, table_files
from tests.support.made_up_tables import conform
from tests.unit.core.clickstream import START, Result, event, message, run
from tests.unit.quality.made_up_inputs import recomputed, with_frame

Edit = Callable[[pd.DataFrame], Any]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Eight hours of a site, read by the scorer; with an incident and events that were sent twice."""
    folder = tmp_path_factory.mktemp("site")
    generate(folder, seed=4, batches=8 * 3600, events_per_second=0.4)
    batches = list(recording(folder).batches())
    sent = [message(batch.index, START + batch.second, batch.rows["events"]) for batch in batches]
    # One that comes too late, and one that is none of ours to mend.
    sent.append(message(len(sent), START, [{**batches[0].rows["events"][0], "event_id": "late"}]))
    sent.append(message(len(sent), START + 8 * 3600, [{"event_id": "of nobody"}]))
    sent.append(message(len(sent), START + 10 * 3600, kind=Kind.FLUSH))
    return inputs_of(sent, run(sent))


def inputs_of(sent: list[Any], result: Result) -> Inputs:
    said = [Headers.decode(one.headers) for one in sent]
    in_time = [one for one in zip(sent, said, strict=True) if one[1].sequence != len(sent) - 3]
    windows = pd.DataFrame(result.windows)
    for bound in ("window_start", "window_end"):
        windows[bound] = pd.to_datetime(windows[bound], unit="s", utc=True).dt.as_unit("us")
    rejected = [
        {name: one._asdict().get(name) for name in REJECTED.names}
        for one in result.outputs
        if one.kind == "rejected"
    ]
    return Inputs(
        pipeline=PIPELINE,
        tables=table_files(
            {
                WINDOWS.name: conform(pa.Table.from_pandas(windows, preserve_index=False), WINDOWS),
                REJECTED.name: conform(pa.Table.from_pylist(rejected), REJECTED),
            }
        ),
        ledger=_ledger(result),
        dataset=Path(),
        card=None,
        version=None,
        first=True,
        parameters={"lateness_s": LATENESS_S},
        replayed=replayed_as(
            "run",
            {"events": (Message(one.partition, one.offset, head, one.value) for one, head in in_time)},
        ),
    )


def test_event_types_are_counted_as_the_run_says_also_as_a_batch() -> None:
    kinds = ["view", "cart", "page_view", "checkout_complete", "purchase", "search"]
    sent = [
        message(at, START + 60 * at, [event(str(at), session=str(at % 5), kind=kinds[at % len(kinds)])])
        for at in range(90)
    ]
    sent.append(message(90, START, [event("late")]))
    sent.append(message(91, START + 60 * 90, [{"event_id": "of nobody"}]))
    sent.append(message(92, START + 10**6, kind=Kind.FLUSH))
    event_types = "view:page_view,cart:checkout_start,purchase:checkout_complete,page_view:purchase"
    inputs = inputs_of(sent, run(sent, event_types=event_types))
    said = replace(inputs, parameters={**inputs.parameters, "event_types": event_types})
    assert inputs.frame(WINDOWS.name).purchase_conversion_rate.notna().any()
    assert all(outcome.success for outcome in outcomes_of(recomputed(said)))
    assert not all(outcome.success for outcome in outcomes_of(recomputed(inputs)))


def _ledger(result: Result) -> dict[str, Any]:
    reasons = Counter(one.reason for one in result.outputs if one.kind == "rejected")
    return {"totals": {"events": {"used": result.used(), **reasons}}}


def outcomes_of(found: Any) -> list[Outcome]:
    return [outcome for suite in validate(found) for outcome in suite.outcomes]


def failures(inputs: Inputs) -> set[str]:
    """The sentences of what failed; all of them are critical."""
    failed = [outcome for outcome in outcomes_of(subjects(inputs)) if not outcome.success]
    assert {outcome.severity for outcome in failed} <= {CRITICAL}
    return {outcome.sentence for outcome in failed}


def edited(inputs: Inputs, edit: Edit) -> Inputs:
    frame = inputs.frame(WINDOWS.name)
    edit(frame)
    return with_frame(inputs, WINDOWS.name, frame)


def test_a_sound_run_passes_everything_and_equals_its_batch(sound: Inputs) -> None:
    windows = sound.frame(WINDOWS.name)
    assert len(windows) > 90
    assert windows.flagged.any()
    assert {"late", "duplicate", "malformed"} == set(sound.frame(REJECTED.name).reason)
    outcomes = outcomes_of([*subjects(sound), schema_subject(sound), *recomputed(sound)])
    assert [outcome for outcome in outcomes if not outcome.success] == []
    assert len(outcomes) > 25
    assert "windows again as a batch" in {outcome.suite for outcome in outcomes}


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda frame: frame.drop(index=40, inplace=True), "a window begins 300 s after the one before"),
        (lambda frame: frame.__setitem__("window_end", frame.window_start), "windows are 600 s long"),
        (lambda frame: set_at(frame, "page_views", -1), "page_views is not negative"),
        (lambda frame: set_at(frame, "purchase_conversion_rate", -0.1), "purchase_conversion_rate is not"),
        (lambda frame: set_at(frame, "checkout_abandonment_rate", -1.5), "checkout_abandonment_rate is at"),
        (lambda frame: set_at(frame, "avg_page_views", 0.5), "avg_page_views is the mean"),
        (lambda frame: set_at(frame, "avg_active_sessions", None), "avg_active_sessions is the mean"),
        (lambda frame: turn(frame, "page_view_drop"), "page_view_drop is raised exactly when"),
        (lambda frame: turn(frame, "session_drop"), "session_drop is raised exactly when"),
        (lambda frame: turn(frame, "low_conversion"), "low_conversion is raised exactly when"),
        (lambda frame: turn(frame, "high_abandonment"), "high_abandonment is raised exactly when"),
        (lambda frame: turn(frame, "flagged"), "flagged says whether"),
        (lambda frame: turn(frame, "complete"), "the first and the last window are not"),
    ],
)
def test_a_wrong_window_is_found(sound: Inputs, edit: Edit, sentence: str) -> None:
    assert [said for said in failures(edited(sound, edit)) if said.startswith(sentence)]


def set_at(frame: pd.DataFrame, column: str, value: float | None) -> None:
    frame.loc[50, column] = value


def turn(frame: pd.DataFrame, column: str) -> None:
    frame.loc[50, column] = not frame.loc[50, column]


def test_the_thresholds_are_those_of_the_run(sound: Inputs) -> None:
    nervous = replace(sound, parameters={**sound.parameters, "page_view_drop": 0.99})
    assert any(said.startswith("page_view_drop is raised") for said in failures(nervous))
    assert differing(nervous)


def test_a_missing_rejection_is_found(sound: Inputs) -> None:
    frame = sound.frame(REJECTED.name)
    fewer = with_frame(sound, REJECTED.name, frame[frame.reason != "duplicate"])
    assert "as many records were rejected for each reason as the ledger says" in failures(fewer)


@pytest.mark.parametrize(
    ("column", "value"),
    [("page_views", 3), ("active_sessions", 1), ("purchase_conversion_rate", 0.123), ("avg_page_views", 1.0)],
)
def test_a_figure_that_the_batch_does_not_have_is_told(sound: Inputs, column: str, value: float) -> None:
    (told,) = differing(edited(sound, lambda frame: set_at(frame, column, value)))
    assert f"{column} is {value} in the stream" in told


def differing(inputs: Inputs) -> list[str]:
    (subject,) = recomputed(inputs)
    found: list[str] = subject.frame.difference.dropna().tolist()
    return found
