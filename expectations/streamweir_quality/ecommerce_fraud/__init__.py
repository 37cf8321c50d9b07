"""The suites of `ecommerce_fraud`: static files, predictions, figures, rejected records, shares."""

from collections.abc import Iterable

from streamweir_quality.checks import Subject
from streamweir_quality.ecommerce_fraud.figures import figure_subjects
from streamweir_quality.ecommerce_fraud.predictions import (
    account_subjects,
    predictions_subject,
    share_subjects,
)
from streamweir_quality.ecommerce_fraud.static import static_subjects
from streamweir_quality.inputs import Inputs


def subjects(inputs: Inputs) -> Iterable[Subject]:
    """Everything that is checked of a run."""
    yield predictions_subject(inputs)
    yield from account_subjects(inputs)
    yield from figure_subjects(inputs)
    yield from static_subjects(inputs)
    yield from share_subjects(inputs)
