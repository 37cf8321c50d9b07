"""The files of a merchant dataset, and how their values are read: texts in single quotes, exact decimals."""

import re
from collections.abc import Sequence

from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration

TRANSACTIONS = "transactions.csv"
"""What is cut into chunks, in the file's order."""
CUSTOMER, GENDER, MERCHANT, AMOUNT = "customer", "gender", "merchant", "amount"
TRANSACTION_KEY = (CUSTOMER, GENDER, MERCHANT, AMOUNT)
"""What is read of a transaction; all other columns travel along."""
TRANSACTION_COLUMNS = (
    *("step", CUSTOMER, "age", GENDER, "zipcodeOri", MERCHANT, "zipMerchant"),
    *("category", AMOUNT, "fraud"),
)

IMPORTANCE = "customer_importance.csv"
IMPORTANCE_COLUMNS = (("Source", "Target", "Weight"), (CUSTOMER, MERCHANT, "weight"))
"""Customer, merchant and weight of a row, by the names that a file may have for them."""

FEMALE, MALE = "F", "M"
UNITS = 10_000
"""An amount is counted in units of 1/10,000: exactly."""
AMOUNT_PATTERN = r"(\d{1,15})(?:\.(\d{1,4}))?"

_PLACES = 4
_AMOUNT = re.compile(AMOUNT_PATTERN, re.ASCII)
_WEIGHT = re.compile(r"([+-]?\d{1,30})(?:\.(\d{1,30}))?", re.ASCII)
_WEIGHT_PLACES = 30
_FOLDER = re.compile(r"([a-z0-9][a-z0-9-]{1,39})/([^\x00-\x1f]*[^\x00-\x1f/])/?")
_SHOWN = 80


def importance_columns(names: Sequence[str]) -> tuple[str, str, str]:
    """Which of these columns are customer, merchant and weight; the first spelling when none are there."""
    found = (columns for columns in IMPORTANCE_COLUMNS if set(columns) <= set(names))
    return next(found, IMPORTANCE_COLUMNS[0])


def watched_folder(text: str) -> ObjectKey:
    """`bucket/prefix` of the store; raises BadConfiguration for anything else."""
    found = _FOLDER.fullmatch(text)
    if found is None:
        raise BadConfiguration(f"watch is {text[:_SHOWN]!r}: give a bucket, / and a prefix, as datasets/drop")
    return ObjectKey(found[1], found[2])


def plain(text: str) -> str:
    """A value without the single quotes that the files put around texts: `'C1093826151'` is C1093826151."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    return text


def parse_amount(text: str) -> int:
    """An amount in units; raises ValueError for what is no decimal of up to four places, 0 or more."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:_SHOWN]!r} is not an amount of 0 or more with up to four decimal places")
    whole, places = found.groups()
    return int(whole) * UNITS + int((places or "").ljust(_PLACES, "0"))


def parse_weight(text: str) -> int:
    """The exact weight of an importance row, in units so small that it is whole.

    Raises ValueError for what is no decimal of up to 30 places.
    """
    found = _WEIGHT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:_SHOWN]!r} is not a decimal number of up to 30 places")
    whole, places = found.groups()
    return int(whole + (places or "").ljust(_WEIGHT_PLACES, "0"))


def split_lines(data: bytes) -> list[bytes]:
    """The lines of a file or chunk without their ends, which are LF or CRLF; an empty line is no row."""
    return [row for line in data.split(b"\n") if (row := line.rstrip(b"\r"))]


def rows_of(data: bytes) -> int:
    """How many rows a chunk has."""
    return max(0, len(split_lines(data)) - 1)
