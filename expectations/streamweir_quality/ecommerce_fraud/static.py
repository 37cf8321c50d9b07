"""The dataset's static files: keys unique and present, references resolve, texts present."""

from collections.abc import Iterable

import pandas as pd

from streamweir.contracts.ecommerce_fraud.dataset import (
    CATEGORIES,
    CUSTOMERS,
    IDS,
    PRODUCTS,
    STATIC_FILES,
    File,
)
from streamweir.replay.csvfile import text_rows
from streamweir.values import identifier
from streamweir_quality.checks import Subject, mostly_present, one_of, present, unique
from streamweir_quality.inputs import Inputs

TEXTS_GIVEN = 0.95
_NOT_GIVEN = ("", "NA")
_TEXTS = {
    CUSTOMERS.name: ("first_name", "last_name", "email", "gender", "birthdate", "first_join_date"),
    PRODUCTS.name: ("productDisplayName", "baseColour", "season", "usage"),
    CATEGORIES.name: ("cat_level1", "cat_level2", "cat_level3"),
}


def static_subjects(inputs: Inputs) -> Iterable[Subject]:
    """A subject per static file."""
    frames = {file.name: _as_given(read(inputs, file), _TEXTS[file.name]) for file in STATIC_FILES}
    resolves = one_of(
        "category_id",
        frames[CATEGORIES.name]["category_id"].dropna(),
        f"category_id is in {CATEGORIES.name}",
    )
    extra = {
        CUSTOMERS.name: (),
        PRODUCTS.name: (resolves,),
        CATEGORIES.name: (),
    }
    for file in STATIC_FILES:
        keys = [check for key in file.key for check in (unique(key), present(key))]
        texts = [mostly_present(text, TEXTS_GIVEN) for text in _TEXTS[file.name]]
        yield Subject(file.name, file.name, frames[file.name], (*keys, *extra[file.name], *texts))


def read(inputs: Inputs, file: File) -> pd.DataFrame:
    """A file of the dataset as the texts that it holds (`text_rows`), its ids read."""
    frame = pd.DataFrame(list(text_rows(inputs.dataset / file.name)))
    return frame.assign(**{name: frame[name].map(identifier) for name in IDS & {*frame.columns}})


def _as_given(frame: pd.DataFrame, texts: Iterable[str]) -> pd.DataFrame:
    """The frame in which is missing what a person would call not given."""
    given = {name: frame[name].mask(frame[name].isin(_NOT_GIVEN)) for name in texts}
    return frame.mask(frame == "").assign(**given)
