"""The files of an e-commerce dataset, their columns and types."""

from dataclasses import dataclass

from streamweir.contracts.tables import Column, Type

TIME = Type.TIMESTAMP
TEXT = Type.STRING
NUMBER = Type.DOUBLE


@dataclass(frozen=True)
class File:
    """A CSV file: the names it may have, its columns, the key columns, and whether it may be missing."""

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    history: bool = False

    @property
    def name(self) -> str:
        """The name under which the file is stored."""
        return self.names[0]


def _columns(**types: Type) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in types.items())


BROWSING_COLUMNS = _columns(
    session_id=TEXT,
    event_type=TEXT,
    event_time=TIME,
    traffic_source=TEXT,
    device_type=TEXT,
    customer_id=TEXT,
)
TRANSACTION_COLUMNS = _columns(
    created_at=TIME,
    customer_id=TEXT,
    transaction_id=TEXT,
    session_id=TEXT,
    product_metadata=TEXT,
    payment_method=TEXT,
    payment_status=TEXT,
    promo_amount=NUMBER,
    promo_code=TEXT,
    shipment_fee=NUMBER,
    shipment_location_lat=NUMBER,
    shipment_location_long=NUMBER,
    total_amount=NUMBER,
    clear_payment=TEXT,
)
IDS = frozenset(("session_id", "customer_id", "transaction_id", "id", "category_id"))
"""The columns, of any file, that hold ids, which `streamweir.values.identifier` reads."""
BROWSING_KEY = ("session_id", "event_type", "event_time")
TRANSACTION_KEY = ("transaction_id", "session_id", "customer_id", "created_at")

BROWSING = File(("new_browsing_behaviour.csv",), BROWSING_COLUMNS, BROWSING_KEY)
TRANSACTIONS = File(("new_transactions.csv", "new_transaction.csv"), TRANSACTION_COLUMNS, TRANSACTION_KEY)
CUSTOMERS = File(
    ("customer.csv",),
    _columns(
        customer_id=TEXT,
        first_name=TEXT,
        last_name=TEXT,
        username=TEXT,
        email=TEXT,
        gender=TEXT,
        birthdate=Type.DATE,
        first_join_date=Type.DATE,
    ),
    ("customer_id",),
)
PRODUCTS = File(
    ("product.csv",),
    _columns(
        id=TEXT,
        gender=TEXT,
        baseColour=TEXT,
        season=TEXT,
        year=TEXT,
        usage=TEXT,
        productDisplayName=TEXT,
        category_id=TEXT,
    ),
    ("id",),
)
CATEGORIES = File(
    ("category.csv",),
    _columns(category_id=TEXT, cat_level1=TEXT, cat_level2=TEXT, cat_level3=TEXT),
    ("category_id",),
)
BROWSING_HISTORY = File(
    ("browsing_behaviour.csv",),
    tuple(column for column in BROWSING_COLUMNS if column.name != "customer_id"),
    BROWSING_KEY,
    history=True,
)
TRANSACTION_HISTORY = File(("transactions.csv",), TRANSACTION_COLUMNS, TRANSACTION_KEY, history=True)
CUSTOMER_SESSIONS = File(
    ("customer_session.csv",),
    _columns(session_id=TEXT, customer_id=TEXT),
    ("session_id", "customer_id"),
    history=True,
)
FRAUD_LABELS = File(
    ("fraud_transaction.csv",),
    _columns(transaction_id=TEXT, is_fraud=TEXT),
    ("transaction_id",),
    history=True,
)

LIVE_FILES = (BROWSING, TRANSACTIONS)
STATIC_FILES = (CUSTOMERS, PRODUCTS, CATEGORIES)
HISTORY_FILES = (BROWSING_HISTORY, TRANSACTION_HISTORY, CUSTOMER_SESSIONS, FRAUD_LABELS)
FILES = (*LIVE_FILES, *STATIC_FILES, *HISTORY_FILES)

ROWS_PER_BATCH = 200
"""Browsing rows in a batch, by default."""
