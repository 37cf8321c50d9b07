"""The dataset's files as columns of text."""

from collections.abc import Sequence

import numpy as np

from streamweir.contracts.ecommerce_fraud import dataset
from streamweir.contracts.ecommerce_fraud.dataset import File
from streamweir.datagen.draws import Ints, chance
from streamweir.datagen.ecommerce_fraud import words
from streamweir.datagen.ecommerce_fraud.purchases import Life
from streamweir.datagen.ecommerce_fraud.shop import CATEGORIES, Customers, Products, category_id
from streamweir.datagen.text import days, degrees, times

Columns = dict[str, Sequence[object]]

_HONEST_LISTED = 0.7
_OUT_OF_ORDER = 0.08
_OUT_OF_ORDER_MS = 120_000


def static(customers: Customers, products: Products) -> dict[File, Columns]:
    """customer.csv, product.csv and category.csv."""
    return {
        dataset.CUSTOMERS: _customer_columns(customers),
        dataset.PRODUCTS: _product_columns(products),
        dataset.CATEGORIES: {
            "category_id": [category_id(index) for index in range(len(CATEGORIES))],
            **{f"cat_level{level + 1}": [names[level] for names in CATEGORIES] for level in range(3)},
        },
    }


def live(life: Life, customers: Customers, products: Products) -> dict[File, Columns]:
    """The browsing rows by event_time, the transactions by created_at."""
    browsing = _browsing(life, life.rows, iso=False)
    customer = customers.ids[life.visits.customer[life.visits.session[life.rows]]]
    return {
        dataset.BROWSING: {**browsing, "customer_id": _texts(customer)},
        dataset.TRANSACTIONS: _transactions(life, life.bought, customers, products, iso=False),
    }


def history(
    rng: np.random.Generator, life: Life, customers: Customers, products: Products
) -> dict[File, Columns]:
    """Browsing rows session by session, some out of order; transactions and labels by transaction_id."""
    seen = np.unique(np.append(life.visits.session[life.rows], life.purchases.session[life.bought]))
    by_id = np.array(sorted(life.bought.tolist(), key=life.transaction_ids.__getitem__), dtype=np.int64)
    fraud = life.purchases.labelled_fraud[by_id]
    listed = fraud | chance(rng, _HONEST_LISTED, len(by_id))
    return {
        dataset.BROWSING_HISTORY: _browsing(life, _by_session(rng, life), iso=True),
        dataset.TRANSACTION_HISTORY: _transactions(life, by_id, customers, products, iso=True),
        dataset.CUSTOMER_SESSIONS: {
            "session_id": [life.session_ids[index] for index in seen.tolist()],
            "customer_id": _texts(customers.ids[life.visits.customer[seen]]),
        },
        dataset.FRAUD_LABELS: {
            "transaction_id": [life.transaction_ids[index] for index in by_id[listed].tolist()],
            "is_fraud": _texts(fraud[listed].astype(np.int64)),
        },
    }


def _by_session(rng: np.random.Generator, life: Life) -> Ints:
    session, time = life.visits.session[life.rows], life.visits.time[life.rows]
    late = chance(rng, _OUT_OF_ORDER, len(time)) * rng.integers(_OUT_OF_ORDER_MS, size=len(time))
    return life.rows[np.lexsort((time + late, session))]


def _browsing(life: Life, rows: Ints, *, iso: bool) -> Columns:
    session = life.visits.session[rows]
    app = life.visits.app[session]
    device = [words.DEVICES[1 - is_app] for is_app in app.tolist()]
    return {
        "session_id": [life.session_ids[index] for index in session.tolist()],
        "event_type": _words(words.EVENT_TYPES, life.visits.event[rows]),
        "event_time": times(life.visits.time[rows], iso=iso),
        "traffic_source": _words(words.TRAFFIC, 1 - app),
        "device_type": [
            names[draw % len(names)]
            for names, draw in zip(device, life.visits.device[session].tolist(), strict=True)
        ],
    }


def _transactions(life: Life, rows: Ints, customers: Customers, products: Products, *, iso: bool) -> Columns:
    purchases = life.purchases
    session = purchases.session[rows]
    metadata = _product_metadata(life, products)
    promo_codes = (*words.PROMO_CODES, "")  # index -1: none
    return {
        "created_at": times(purchases.created[rows], iso=iso),
        "customer_id": _texts(customers.ids[life.visits.customer[session]]),
        "transaction_id": [life.transaction_ids[index] for index in rows.tolist()],
        "session_id": [life.session_ids[index] for index in session.tolist()],
        "product_metadata": [metadata[index] for index in rows.tolist()],
        "payment_method": _words(words.PAYMENTS, purchases.payment[rows]),
        "payment_status": _words(("Fail", "Success"), purchases.succeeded[rows].astype(np.int64)),
        "promo_amount": _texts(purchases.promo[rows]),
        "promo_code": _words(promo_codes, purchases.promo_code[rows]),
        "shipment_fee": _texts(purchases.fee[rows]),
        "shipment_location_lat": degrees(purchases.lat[rows]),
        "shipment_location_long": degrees(purchases.long[rows]),
        "total_amount": _texts(purchases.total[rows]),
        "clear_payment": _texts(purchases.cleared[rows].astype(np.int64)),
    }


def _product_metadata(life: Life, products: Products) -> list[str]:
    """The product list of every transaction, as Python prints it."""
    lines: list[list[str]] = [[] for _ in life.transaction_ids]
    columns = (
        products.ids[life.purchases.product],
        life.purchases.quantity,
        products.price[life.purchases.product],
    )
    for transaction, product_id, quantity, price in zip(
        life.purchases.line_of.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        lines[transaction].append(
            f"{{'product_id': {product_id}, 'quantity': {quantity}, 'item_price': {price}}}"
        )
    return [f"[{', '.join(items)}]" for items in lines]


def _customer_columns(customers: Customers) -> Columns:
    genders = _words(("M", "F"), customers.female)
    first = [
        words.FIRST_NAMES[gender][index]
        for gender, index in zip(genders, customers.first.tolist(), strict=True)
    ]
    ids = _texts(customers.ids)
    plain = [f"user{number}" for number in ids]
    return {
        "customer_id": ids,
        "first_name": first,
        "last_name": _words(words.LAST_NAMES, customers.last),
        "username": plain,
        "email": [f"{name}@{words.MAIL_HOSTS[at % 3]}" for at, name in enumerate(plain)],
        "gender": genders,
        "birthdate": days(customers.birthday),
        "first_join_date": days(customers.join_day),
    }


def _product_columns(products: Products) -> Columns:
    gender = _words(words.GENDERS, products.gender)
    colour = _words(words.COLOURS, products.colour)
    return {
        "id": _texts(products.ids),
        "gender": gender,
        "baseColour": colour,
        "season": _words(words.SEASONS, products.season),
        "year": _texts(products.year),
        "usage": _words(words.USAGES, products.usage),
        "productDisplayName": _display_names(products, gender, colour),
        "category_id": [category_id(index) for index in products.category.tolist()],
    }


def _display_names(products: Products, gender: list[str], colour: list[str]) -> list[str]:
    names = []
    for index, nameless in enumerate(products.nameless.tolist()):
        leaf = CATEGORIES[products.category[index]][2]
        hue = colour[index] if colour[index] != "NA" else ""
        parts = (words.BRANDS[products.brand[index]], gender[index], hue, leaf)
        names.append("" if nameless else " ".join(part for part in parts if part))
    return names


def _words(vocabulary: Sequence[str], indexes: Ints) -> list[str]:
    return [vocabulary[index] for index in indexes.tolist()]


def _texts(values: Ints) -> list[str]:
    return [str(value) for value in values.tolist()]
