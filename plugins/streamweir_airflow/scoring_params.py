"""The params that say what a scorer counts with."""

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.sdk import Param

from streamweir.contracts.tables import Column
from streamweir_airflow.params import TEXT, Params

_SCORING, _FEEDER = "Scoring", "Feeder"


def scoring_params(*, lookback_s: int, lateness_s: int, time_zone: str) -> Params:
    """What the scorer counts with."""
    return {
        "lookback_s": Param(
            lookback_s,
            type="integer",
            least=0,
            title="Lookback, seconds",
            description="How far back in the virtual clock the context rows of a record reach.",
            section=_SCORING,
        ),
        **lateness_params(lateness_s=lateness_s),
        "time_zone": Param(
            time_zone,
            type="string",
            title="Session time zone",
            description="IANA name, e.g. Australia/Melbourne: decides the time of day and the dates of "
            "features.",
            section=_SCORING,
        ),
    }


def duplicate_params(*, retention_s: int) -> Params:
    """For how long an id makes duplicates."""
    return {
        "retention_s": Param(
            retention_s,
            type="integer",
            least=0,
            title="Retention of ids, seconds",
            description="A record whose id was scored at most this long before, on the virtual clock, is a "
            "duplicate; the scorer remembers ids for as long. Runs that share a scorer must agree on it.",
            section=_SCORING,
        ),
    }


def lateness_params(*, lateness_s: int) -> Params:
    """How late a message may be."""
    return {
        "lateness_s": Param(
            lateness_s,
            type="integer",
            least=0,
            title="Allowed lateness, seconds",
            description="A message that is further behind the clock than this is recorded as late and not "
            "worked on.",
            section=_SCORING,
        ),
    }


def alert_params() -> Params:
    """What the scorer prints."""
    return {
        "console_alerts": Param(
            True,
            type="boolean",
            title="Alerts in the log",
            description="The scorer prints a line for each alert into its log"
            " (`make logs SERVICE=card_fraud.<stream>`).",
            section=_SCORING,
        ),
    }


def event_type_params() -> Params:
    """What the dataset's own event types count as."""
    return {
        "event_types": Param(
            None,
            type=TEXT,
            title="Event types",
            description="What the dataset's event types count as, where they have other names: "
            "view:page_view,cart:checkout_start. The messages keep the dataset's names. Empty: "
            "all have our names.",
            section=_SCORING,
        ),
    }


def threshold_params(flags: Iterable[Column], defaults: Mapping[str, float]) -> Params:
    """From where on each flag is raised; each param has its flag's name."""
    return {
        flag.name: Param(
            defaults[flag.name],
            type="number",
            least=0,
            title=f"Threshold of {flag.name}",
            description=f"The flag {flag.name} is raised when {flag.meaning}.",
            section=_SCORING,
        )
        for flag in flags
    }


def feeder_params(*, idle_stop_s: int) -> Params:
    """Where chunks come from."""
    return {
        "feeder": Param(
            "replay",
            type="string",
            enum=["replay", "watch"],
            title="Feeder",
            description="replay: the dataset's file is cut into chunks. watch: what others drop is sent.",
            section=_FEEDER,
        ),
        "watch": Param(
            None,
            type=TEXT,
            title="Watched folder",
            description="With the feeder `watch`: bucket/prefix of the object store, as datasets/drop. Each "
            "object that is there or appears is announced once; weights come from the dataset.",
            section=_FEEDER,
        ),
        "idle_stop_s": Param(
            idle_stop_s,
            type="integer",
            least=1,
            title="Idle stop, seconds",
            description="The feeder `watch` ends when no object was new for so long.",
            section=_FEEDER,
        ),
    }


def pattern_params(defaults: Mapping[str, Any], presets: Iterable[str]) -> Params:
    """What the patterns between customers and merchants go by; a preset's values stand above these."""

    def number(name: str, kind: str, title: str, meaning: str, **limits: Any) -> dict[str, Param]:
        settings = {"type": kind, "title": title, "section": _SCORING, "least": 0, **limits}
        return {name: Param(defaults[name], description=meaning, **settings)}

    return {
        **number(
            "upgrade_min_transactions",
            "integer",
            "UPGRADE: transactions",
            "Merchants with more transactions than this are looked at.",
        ),
        **number(
            "upgrade_share",
            "number",
            "UPGRADE: share",
            "A customer is among this share of those with most transactions, and among this share of those "
            "with the lowest weights: 0.01 is a hundredth.",
            most=1,
        ),
        "upgrade_weight": Param(
            defaults["upgrade_weight"],
            type="string",
            enum=["mean", "total"],
            title="UPGRADE: weight",
            description="The weight of a customer at a merchant: the mean of their importance rows, or the "
            "total.",
            section=_SCORING,
        ),
        **number(
            "child_min_transactions",
            "integer",
            "CHILD: transactions",
            "A customer has at least so many transactions with the merchant.",
        ),
        **number(
            "child_mean_below",
            "number",
            "CHILD: mean",
            "The mean of their amounts is below this.",
        ),
        **number(
            "dei_min_female",
            "integer",
            "DEI-NEEDED: female customers",
            "A merchant has more distinct female customers than this, and fewer than distinct male ones.",
        ),
        "preset": Param(
            None,
            type=TEXT,
            enum=[None, *presets],
            title="Preset",
            description="Values of an earlier text of the assignment, in place of those above.",
            section=_SCORING,
        ),
    }


def detection_file_params(*, time_zone: str) -> Params:
    """When the files of detections are written, and in whose time."""
    return {
        "flush_after_s": Param(
            None,
            type=["null", "integer"],
            least=1,
            title="Short files after, seconds",
            description="A file of detections is written, though it is not full, when the oldest one has "
            "waited for so long. Empty: when it is full, at the end of a run, or when the detector stops.",
            section=_SCORING,
        ),
        "time_zone": Param(
            time_zone,
            type="string",
            title="Time zone",
            description="IANA name: of the times in the files of detections.",
            section=_SCORING,
        ),
    }
