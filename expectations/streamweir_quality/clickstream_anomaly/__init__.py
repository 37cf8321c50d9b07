"""The suites of `clickstream_anomaly`: windows, rejected records."""

from collections.abc import Iterable

from streamweir_quality.checks import Subject
from streamweir_quality.clickstream_anomaly.figures import windows_subject
from streamweir_quality.inputs import Inputs
from streamweir_quality.rejected import rejected_subjects


def subjects(inputs: Inputs) -> Iterable[Subject]:
    """Everything that is checked of a run."""
    yield windows_subject(inputs)
    yield from rejected_subjects(inputs)
