"""The suites of `card_fraud`: scored transactions, what training saw, rejected records."""

from collections.abc import Iterable

from streamweir_quality.card_fraud.scored import scored_subject, share_subjects
from streamweir_quality.checks import Subject
from streamweir_quality.inputs import Inputs
from streamweir_quality.rejected import rejected_subjects


def subjects(inputs: Inputs) -> Iterable[Subject]:
    """Everything that is checked of a run."""
    yield scored_subject(inputs)
    yield from share_subjects(inputs)
    yield from rejected_subjects(inputs)
