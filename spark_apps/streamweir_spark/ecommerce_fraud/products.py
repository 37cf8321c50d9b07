"""The products of a transaction, read fast: most lists look exactly like the specification's example."""

import re

from streamweir.values import parse_products

# Numbers that Python would write so, short enough for int64; everything else takes the careful way.
_COUNT = r"[1-9][0-9]{0,17}"
_PRICE = r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?"
_ITEM = rf"\{{'product_id': ({_COUNT}), 'quantity': ({_COUNT}), 'item_price': {_PRICE}\}}"
_PLAIN_ITEM = re.compile(_ITEM)
_PLAIN_LIST = re.compile(rf"\[(?:{_ITEM}(?:, {_ITEM})*)?\]")
_LONGEST_PLAIN = 10_000


def sold_products(text: str) -> list[tuple[int, int]]:
    """(product_id, quantity) of each product in a product list; raises ValueError when it is none.

    The same as `streamweir.values.parse_products`, which needs 15 us for what this does in 2.
    """
    if len(text) <= _LONGEST_PLAIN and _PLAIN_LIST.fullmatch(text):
        return [(int(product), int(quantity)) for product, quantity in _PLAIN_ITEM.findall(text)]
    return [(line.product_id, line.quantity) for line in parse_products(text)]
