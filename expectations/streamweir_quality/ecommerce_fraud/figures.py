"""The figure tables against the predictions: every window and sum is worked out again, in another way."""

from collections.abc import Iterable

from streamweir.contracts.ecommerce_fraud import (
    BROWSING_TOPIC,
    FRAUD_SLIDE_S,
    FRAUD_WINDOW_S,
    FRAUD_WINDOWS,
    PREDICTIONS,
    SOLD_QUANTITY,
    SOLD_WINDOW_S,
)
from streamweir_quality.checks import (
    Subject,
    between,
    equal,
    rows,
    seconds,
    sum_is,
    unique,
    window_checks,
    with_windows,
)
from streamweir_quality.ecommerce_fraud.sales import Sales, begins, since_start
from streamweir_quality.ecommerce_fraud.top import top_subjects
from streamweir_quality.inputs import Inputs

_COMPLETE = "every window from the first to the last scored row is there"


def figure_subjects(inputs: Inputs) -> Iterable[Subject]:
    """A subject per figure table."""
    rows = inputs.each(PREDICTIONS.name, ["ts", "prediction", "product_metadata"])
    sales = Sales(rows, inputs.replayed.ends(BROWSING_TOPIC))
    yield _fraud_windows(inputs, sales)
    yield _sold_quantity(inputs, sales)
    yield from top_subjects(inputs, sales)


def _fraud_windows(inputs: Inputs, sales: Sales) -> Subject:
    starts = sales.starts(FRAUD_WINDOW_S, FRAUD_SLIDE_S)
    frame = with_windows(inputs.frame(FRAUD_WINDOWS.name), FRAUD_SLIDE_S, begins(starts))
    windows = list(seconds(frame))
    frame = frame.assign(
        expected_frauds=[sales.frauds_in(*window) for window in windows],
        expected_scored=[sales.scored_in(*window) for window in windows],
    )
    expectations = (
        unique("window_start"),
        *window_checks(FRAUD_WINDOW_S, FRAUD_SLIDE_S),
        between("frauds", 0, None, "frauds is not negative"),
        between("scored", 0, None, "scored is not negative"),
        equal("frauds", "expected_frauds", "frauds is the number of predictions 1 in the window"),
        equal("scored", "expected_scored", "scored is the number of predictions in the window"),
        sum_is(
            "scored",
            len(sales) * (FRAUD_WINDOW_S // FRAUD_SLIDE_S),
            "no window is missing: each prediction is counted in all windows that hold it",
        ),
        rows(sum(map(len, starts)), _COMPLETE),
    )
    return Subject(FRAUD_WINDOWS.name, FRAUD_WINDOWS.name, frame, expectations)


def _sold_quantity(inputs: Inputs, sales: Sales) -> Subject:
    starts = sales.starts(SOLD_WINDOW_S, SOLD_WINDOW_S)
    frame = inputs.frame(SOLD_QUANTITY.name).sort_values("window_start")
    frame = with_windows(frame, SOLD_WINDOW_S, begins(starts))
    windows = list(seconds(frame))
    so_far = [sales.quantity_in(0, end) for _, end in windows]
    frame = frame.assign(
        expected_quantity=[sales.quantity_in(*window) for window in windows],
        expected_so_far=since_start(
            [""] * len(frame), frame["quantity_so_far"].tolist(), so_far, first=inputs.first
        ),
    )
    expectations = (
        unique("window_start"),
        *window_checks(SOLD_WINDOW_S, SOLD_WINDOW_S),
        between("quantity", 0, None, "quantity is not negative"),
        equal("quantity", "expected_quantity", "quantity is what the window's non-fraud predictions sold"),
        equal(
            "quantity_so_far", "expected_so_far", "quantity_so_far is the sum of all windows up to this one"
        ),
        sum_is("quantity", sales.quantity, "no window is missing: together they hold all that was sold"),
        rows(sum(map(len, starts)), _COMPLETE),
    )
    return Subject(SOLD_QUANTITY.name, SOLD_QUANTITY.name, frame, expectations)
