"""Running the suites, and their results as plain values."""

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation
from great_expectations.validator.validation_statistics import calc_validation_statistics

from streamweir_quality.checks import CRITICAL, SENTENCE, Subject

_ROWS_AT_ONCE = 2_000_000
"""Rows of a stored table times expectations: Great Expectations takes up to 50 bytes for each of them."""
_SHOWN = 3
_MISSING = "nan"
_RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": 20}


@dataclass(frozen=True)
class Outcome:
    """How one expectation fared, as results.json holds it.

    observed: what was found, for people. column: the column, or columns with a comma; None for a whole table.
    """

    suite: str
    table: str
    expectation: str
    column: str | None
    severity: str
    success: bool
    observed: str
    sentence: str

    @property
    def fatal(self) -> bool:
        """Whether the run must not be trusted."""
        return self.severity == CRITICAL and not self.success

    def to_json(self) -> dict[str, Any]:
        """The value for results.json."""
        return asdict(self)


@dataclass(frozen=True)
class Validated:
    """A suite's outcomes, and Great Expectations' own result, from which the docs are rendered."""

    suite: str
    outcomes: tuple[Outcome, ...]
    result: ExpectationSuiteValidationResult


def validate(subjects: Iterable[Subject]) -> list[Validated]:
    """Check each subject's expectations on its frame, in memory."""
    return [_validate(subject) for subject in subjects]


def _validate(subject: Subject) -> Validated:
    result = _together([_result(subject.suite, frame, checks) for frame, checks in _parts(subject)])
    outcomes = tuple(_outcome(subject, single) for single in result.results)
    return Validated(subject.suite, outcomes, result)


def _parts(subject: Subject) -> Iterator[tuple[pd.DataFrame, Sequence[Expectation]]]:
    """What is in memory at a time: a whole frame, or of a stored table the columns of a few expectations."""
    if isinstance(subject.frame, pd.DataFrame):
        yield subject.frame, subject.expectations
        return
    by_column = defaultdict(list)
    for check in subject.expectations:
        by_column[check.configuration.kwargs.get("column")].append(check)
    # The order in which Great Expectations answers when it is asked for all of them.
    rest = chain.from_iterable(by_column.values())
    at_once = max(1, _ROWS_AT_ONCE // max(1, len(subject.frame)))
    while checks := list(islice(rest, at_once)):
        columns = dict.fromkeys(name for check in checks for name in _columns(check.configuration.kwargs))
        yield subject.frame[list(columns)], checks
        # Great Expectations refers to a frame in circles: it would stay while the next ones are read.
        gc.collect()


def _result(
    suite: str, frame: pd.DataFrame, expectations: Sequence[Expectation]
) -> ExpectationSuiteValidationResult:
    # A context keeps the frames that it was given, and an expectation the context that it was used in.
    context, copies = _context(), [copy(expectation) for expectation in expectations]
    asset = context.data_sources.add_pandas("tables").add_dataframe_asset(suite)
    definition = gx.ValidationDefinition(
        name=suite,
        data=asset.add_batch_definition_whole_dataframe("all rows"),
        suite=context.suites.add(gx.ExpectationSuite(name=suite, expectations=copies)),
    )
    context.validation_definitions.add(definition)
    return definition.run(batch_parameters={"dataframe": frame}, result_format=dict(_RESULT_FORMAT))


def _together(parts: Sequence[ExpectationSuiteValidationResult]) -> ExpectationSuiteValidationResult:
    """The results of a suite as one."""
    whole = copy(parts[0])
    whole.results = [single for part in parts for single in part.results]
    statistics = calc_validation_statistics(whole.results)
    whole.success, whole.statistics = statistics.success, statistics._asdict()
    return whole


def _outcome(subject: Subject, single: ExpectationValidationResult) -> Outcome:
    asked = single.expectation_config
    if asked is None:
        raise AssertionError("Great Expectations returned a result without its expectation")
    return Outcome(
        suite=subject.suite,
        table=subject.table,
        expectation=asked.type,
        column=", ".join(_columns(asked.kwargs)) or None,
        severity=str(asked.severity.value),
        success=bool(single.success),
        observed=_observed(single),
        sentence=asked.meta[SENTENCE],
    )


def _columns(kwargs: Mapping[str, Any]) -> list[str]:
    several = kwargs.get("column_list") or [
        kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs
    ]
    return list(several)


def _observed(single: ExpectationValidationResult) -> str:
    raised = (single.exception_info or {}).get("exception_message")
    found = single.result
    if raised or not found:
        return f"could not be evaluated: {raised or 'no result'}"
    if "observed_value" in found:
        return _number(found["observed_value"])
    count, of = found.get("unexpected_count", 0), found.get("element_count", 0)
    examples = list(dict.fromkeys(map(str, found.get("partial_unexpected_list", ()))))[:_SHOWN]
    if examples == [_MISSING]:
        return f"{count:,} of {of:,} missing"
    return f"{count:,} of {of:,} unexpected" + (f", e.g. {', '.join(examples)}" if examples else "")


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _context() -> EphemeralDataContext:
    """A context in memory that reads no project folder and sends nothing anywhere."""
    quiet = gx.get_context(mode="ephemeral")
    quiet.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return quiet
