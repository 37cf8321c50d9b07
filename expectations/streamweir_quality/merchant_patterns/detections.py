"""The detections: numbered without gaps and in order, each once, with a customer where one is due."""

import pandas as pd

from streamweir.contracts.merchant_patterns import ACTIONS, DETECTIONS, Pattern
from streamweir_quality.checks import Subject, between, equal, one_of, present, unique
from streamweir_quality.inputs import Inputs

_ORDER = ["chunk", "patternId", "MerchantId", "customerName"]


def detections_subject(inputs: Inputs) -> Subject:
    """The table of detections. Whether each is justified is the recomputation's part."""
    expectations = (
        unique("number"),
        unique("patternId", "customerName", "MerchantId"),
        *(present(column) for column in DETECTIONS.names),
        one_of("patternId", [pattern.value for pattern in Pattern], "patternId is one of three"),
        between("step", 1, 1, "the detections are numbered without gaps"),
        equal("place", "number", "a chunk's detections are numbered by pattern, merchant and customer"),
        equal("ActionType", "action", "ActionType is the pattern's"),
        equal("names_customer", "is_about_customer", "customerName is empty for PatId3, and only there"),
        between("waited_s", 0, None, "no detection was made before the detector first started"),
    )
    return Subject(DETECTIONS.name, DETECTIONS.name, _frame(inputs), expectations)


def _frame(inputs: Inputs) -> pd.DataFrame:
    frame = inputs.frame(DETECTIONS.name).sort_values("number", ignore_index=True)
    in_order = frame.sort_values(_ORDER).assign(place=frame["number"].to_numpy())
    actions = {pattern.value: action for pattern, action in ACTIONS.items()}
    return frame.assign(
        step=frame["number"].diff().fillna(1),
        place=in_order["place"],
        action=frame["patternId"].map(actions),
        names_customer=frame["customerName"] != "",
        is_about_customer=frame["patternId"] != Pattern.DEI_NEEDED.value,
        waited_s=(frame["detectionTime"] - frame["YStartTime"]).dt.total_seconds(),
    )
