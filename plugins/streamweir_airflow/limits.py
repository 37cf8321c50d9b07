"""What the values of params may be: checked together by a DAG's first task, before anything is started.

The limits `least`, `most` and `above` in a param's schema are the house's own words. The form knows JSON
Schema's and would put a number within them without a word.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from airflow.sdk import BaseOperator, Context, Param
from airflow.sdk.definitions.param import ParamsDict

from streamweir.contracts.messages import LATEST_TS
from streamweir.errors import BadConfiguration, Stop
from streamweir_airflow.attempt import as_airflow

Reader = Callable[[Any], object]
"""Reads a value that limits cannot describe; raises a `Stop` that names it and the remedy."""


def refuse_wrong(
    task: BaseOperator, values: Mapping[str, Any], readers: Mapping[str, Reader] | None = None
) -> None:
    """Raise BadConfiguration with a sentence for each value that cannot be meant.

    task: knows the params as its DAG declares them. readers: by the name of the param.
    """
    found = list(_beyond_limits(ParamsDict(task.params), values))
    for name, read in (readers or {}).items():
        if values.get(name) is None:
            continue
        try:
            read(values[name])
        except Stop as error:
            found.append(str(error))
    if found:
        raise BadConfiguration("; ".join(found))


def days_of(task: BaseOperator, context: Context) -> timedelta:
    """The param `days`; a wrong one fails the task at once."""
    try:
        refuse_wrong(task, context["params"])
    except BadConfiguration as error:
        raise as_airflow(error) from error
    return timedelta(days=context["params"]["days"])


def start_of_clock(start_ts: int) -> None:
    """Raise BadConfiguration when no timestamp can hold it."""
    if not 0 <= start_ts <= LATEST_TS:
        raise BadConfiguration(
            f"start_ts is {start_ts}, outside the years 1970 to 9999: give Unix seconds, not milliseconds"
        )


def time_zone(name: str) -> None:
    """Raise BadConfiguration when there is no such time zone."""
    if name not in available_timezones():
        raise BadConfiguration(f"time_zone {name!r} is not known: give an IANA name, as Australia/Melbourne")


def _beyond_limits(params: ParamsDict, values: Mapping[str, Any]) -> Iterator[str]:
    for name in params:
        value, param = values.get(name), params.get_param(name)
        if isinstance(value, int | float) and not _within(value, param):
            yield f"{name} is {value}: give {_words(param)}"


def _within(value: float, param: Param) -> bool:
    schema = param.schema
    return (
        (isinstance(value, int) or math.isfinite(value))
        and schema.get("least", value) <= value <= schema.get("most", value)
        and ("above" not in schema or value > schema["above"])
    )


def _words(param: Param) -> str:
    schema, kinds = param.schema, param.schema["type"]
    number = "a whole number" if "integer" in kinds else "a number"
    if "above" in schema:
        allowed = f"{number} above {schema['above']}"
    elif "most" in schema:
        allowed = f"{number} from {schema['least']} to {schema['most']}"
    else:
        allowed = f"{number}, {schema.get('least', 0)} or more"
    return f"{allowed}, or leave it empty" if "null" in kinds else allowed
