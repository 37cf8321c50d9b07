"""The names and headers that the rooms agree on."""

import re
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.pipelines import module_of, pipeline, pipeline_names
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.contracts.tables import Input, OutputTopic, Pipeline, Role, Stage, Topic
from streamweir.errors import BadConfiguration

HEADERS = Headers("manual__1", batch=3, sequence=17, ts=1_700_000_000, kind=Kind.BATCH, rows=200)


def test_headers_survive_the_wire() -> None:
    assert Headers.decode(HEADERS.encode()) == HEADERS


@pytest.mark.parametrize("name", ["run", "batch", "sequence", "ts", "kind", "rows"])
def test_a_message_that_misses_a_header_is_foreign(name: str) -> None:
    assert Headers.decode([pair for pair in HEADERS.encode() if pair[0] != name]) is None


@pytest.mark.parametrize("value", [b"", b"-1", b"1.0", b"x", b"9" * 30, b"\xff", None])
def test_a_message_with_an_unreadable_sequence_is_foreign(value: bytes | None) -> None:
    others = [pair for pair in HEADERS.encode() if pair[0] != "sequence"]
    assert Headers.decode([*others, ("sequence", value)]) is None


def test_a_message_with_a_repeated_header_is_foreign() -> None:
    assert Headers.decode([*HEADERS.encode(), ("sequence", b"18")]) is None


@given(st.text(min_size=1, max_size=250))
def test_every_run_id_gives_a_usable_stream_id(run_id: str) -> None:
    assert Stream("ecommerce_fraud", stream_id_of(run_id)).id


def test_run_ids_that_differ_only_in_punctuation_give_different_streams() -> None:
    assert stream_id_of("manual__1+0") != stream_id_of("manual__1-0")


@pytest.mark.parametrize("stream_id", ["", "Prod", "a_b", "a" * 61, "a/b", "..", "a\n"])
def test_a_stream_id_outside_the_alphabet_is_refused(stream_id: str) -> None:
    with pytest.raises(BadConfiguration, match="stream id"):
        Stream("ecommerce_fraud", stream_id)


def test_an_unknown_pipeline_is_named_with_those_that_exist() -> None:
    with pytest.raises(BadConfiguration, match=r"'nope'.*ecommerce_fraud"):
        pipeline("nope")


def test_every_pipeline_declares_itself_by_its_word() -> None:
    assert pipeline_names()
    for name in pipeline_names():
        assert pipeline(name).name == name
        assert re.fullmatch(r"[a-z_]+", name)
        for table in pipeline(name).tables:
            assert set(table.key) <= set(table.names)


def test_an_output_topic_may_have_a_name_that_all_streams_share(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Stream("clickstream_anomaly", "one"), Stream("clickstream_anomaly", "other")
    names = [topic.of(one) for topic in pipeline("clickstream_anomaly").topics]
    assert names == [f"clickstream_anomaly.one.{name}" for name in ("events", "anomalies", "rejected")]
    monkeypatch.setenv("STREAMWEIR_TOPIC_CLICKSTREAM_ANOMALY_ANOMALIES", "clickstream_anomaly")
    events, anomalies, rejected = pipeline("clickstream_anomaly").topics
    assert anomalies.of(one) == anomalies.of(other) == "clickstream_anomaly"
    assert (events.of(one), rejected.of(one)) == (names[0], names[2])
    assert pipeline("card_fraud").outputs[0].of(Stream("card_fraud", "s")) == "card_fraud.s.alerts"


@pytest.mark.parametrize("name", ["my topic", "a/b", "a" * 250])
def test_a_fixed_topic_name_that_kafka_does_not_take_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("STREAMWEIR_TOPIC_CLICKSTREAM_ANOMALY_ANOMALIES", name)
    with pytest.raises(BadConfiguration, match="STREAMWEIR_TOPIC_CLICKSTREAM_ANOMALY_ANOMALIES is"):
        pipeline("clickstream_anomaly")


class Asking(Protocol):
    """What no module of a pipeline offers whole."""

    NAME: str
    COLOUR: str

    def sing(self) -> str: ...


def test_a_module_that_lacks_what_its_package_asks_for_is_refused_by_name() -> None:
    with pytest.raises(BadConfiguration, match=r"liveplot\.card_fraud has no COLOUR, sing: see Asking"):
        module_of("streamweir.liveplot", "card_fraud", Asking)
    with pytest.raises(BadConfiguration, match="no pipeline is called 'nobody'"):
        module_of("streamweir.liveplot", "nobody", Asking)


def test_a_pipeline_reads_what_its_stages_read_in_their_order_and_do_not_write() -> None:
    x, y, z = (Input(Topic(name, 1), Role.COUNTED) for name in "xyz")
    made = OutputTopic("z", 1, table=REJECTED)
    stages = (Stage((x, y), (made,), name="a"), Stage((y, z, x), tables=(REJECTED,), name="b"))
    several = Pipeline("p", "P", stages, interval_s=1, lateness_s=0, flush_after_s=1)
    assert several.inputs == (x.topic, y.topic)
    assert several.of_stage("b").inputs == (y.topic, z.topic, x.topic)
    assert several.named("rejected") == "b.rejected"
    assert pipeline("card_fraud").named("rejected") == "rejected"
    with pytest.raises(BadConfiguration, match="p has no stage 'c'; there are: a, b"):
        several.of_stage("c")
