"""The suites of `merchant_patterns`: detections, their files, rejected records."""

from collections.abc import Iterable

from streamweir_quality.checks import Subject
from streamweir_quality.inputs import Inputs
from streamweir_quality.merchant_patterns.detections import detections_subject
from streamweir_quality.merchant_patterns.files import files_subjects
from streamweir_quality.rejected import rejected_subjects


def subjects(inputs: Inputs) -> Iterable[Subject]:
    """Everything that is checked of a run."""
    yield detections_subject(inputs)
    yield from files_subjects(inputs)
    yield from rejected_subjects(inputs)
