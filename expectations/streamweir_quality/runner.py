"""Running the suites, and their results as plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

from streamweir_quality import quiet
from streamweir_quality.checks import CRITICAL, SENTENCE, Subject

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

    subject: Subject
    outcomes: tuple[Outcome, ...]
    result: ExpectationSuiteValidationResult


def validate(subjects: Iterable[Subject]) -> list[Validated]:
    """Run every subject's expectations on its frame, in memory."""
    context = quiet.context()
    source = context.data_sources.add_pandas("tables")
    return [_validate(context, source, subject) for subject in subjects]


def _validate(context: Any, source: Any, subject: Subject) -> Validated:
    asset = source.add_dataframe_asset(subject.suite)
    suite = gx.ExpectationSuite(name=subject.suite, expectations=list(subject.expectations))
    definition = gx.ValidationDefinition(
        name=subject.suite,
        data=asset.add_batch_definition_whole_dataframe("all rows"),
        suite=context.suites.add(suite),
    )
    context.validation_definitions.add(definition)
    result = definition.run(batch_parameters={"dataframe": subject.frame}, result_format=dict(_RESULT_FORMAT))
    outcomes = tuple(_outcome(subject, single) for single in result.results)
    return Validated(subject, outcomes, result)


def _outcome(subject: Subject, single: ExpectationValidationResult) -> Outcome:
    asked = single.expectation_config
    if asked is None:
        raise AssertionError("Great Expectations returned a result without its expectation")
    return Outcome(
        suite=subject.suite,
        table=subject.table,
        expectation=asked.type,
        column=_column(asked.kwargs),
        severity=str(asked.severity.value),
        success=bool(single.success),
        observed=_observed(single),
        sentence=asked.meta[SENTENCE],
    )


def _column(kwargs: Mapping[str, Any]) -> str | None:
    several = kwargs.get("column_list") or [
        kwargs[name] for name in ("column_A", "column_B") if name in kwargs
    ]
    return ", ".join(several) if several else kwargs.get("column")


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
