"""The dataset's static files: keys unique and present, references resolve, texts present."""

from collections.abc import Iterable

import pandas as pd

from streamweir.contracts.ecommerce_fraud.dataset import CATEGORIES, CUSTOMERS, IDS, PRODUCTS, File
from streamweir.values import identifier
from streamweir_quality.checks import Subject, mostly_present, one_of, present, unique
from streamweir_quality.inputs import Inputs

TEXTS_GIVEN = 0.95
_NO_TEXT = ["", "NA"]
_TEXTS = {
    CUSTOMERS.name: ("first_name", "last_name", "email", "gender", "birthdate", "first_join_date"),
    PRODUCTS.name: ("productDisplayName", "baseColour", "season", "usage"),
    CATEGORIES.name: ("cat_level1", "cat_level2", "cat_level3"),
}


def static_subjects(inputs: Inputs) -> Iterable[Subject]:
    """A subject per static file."""
    categories = read(inputs, CATEGORIES)
    resolves = one_of(
        "category_id", categories["category_id"].dropna(), f"category_id is in {CATEGORIES.name}"
    )
    extra = {
        CUSTOMERS.name: (),
        PRODUCTS.name: (resolves,),
        CATEGORIES.name: (),
    }
    for file in (CUSTOMERS, PRODUCTS, CATEGORIES):
        keys = [check for key in file.key for check in (unique(key), present(key))]
        texts = [mostly_present(text, TEXTS_GIVEN) for text in _TEXTS[file.name]]
        yield Subject(file.name, file.name, read(inputs, file), (*keys, *extra[file.name], *texts))


def read(inputs: Inputs, file: File) -> pd.DataFrame:
    """A file of the dataset as strings, its ids read; what is empty, and an `NA` in a text, is missing."""
    texts = dict.fromkeys(_TEXTS.get(file.name, ()), _NO_TEXT)
    empty = {column.name: texts.get(column.name, [""]) for column in file.columns}
    frame = pd.read_csv(
        inputs.dataset / file.name, dtype=str, keep_default_na=False, na_values=empty, encoding="utf-8-sig"
    )
    return with_ids_read(frame)


def with_ids_read(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame of a file with the ids that its texts stand for."""
    return frame.assign(**{name: frame[name].map(identifier, "ignore") for name in IDS & {*frame.columns}})
