"""The file of a card dataset, its columns and types."""

from streamweir.contracts.tables import Column, Type

FILE = "creditcard.csv"
"""What is replayed, and what models are trained on."""

TIME = Column("Time", Type.DOUBLE, "seconds from the first transaction, or times since the epoch")
COMPONENTS = tuple(Column(f"V{number}", Type.DOUBLE) for number in range(1, 29))
AMOUNT = Column("Amount", Type.DOUBLE, "what was paid")
CLASS = Column("Class", Type.INT, "1 for fraud, else 0; null when the dataset has no such column")

NUMBERS = (TIME, *COMPONENTS, AMOUNT)
"""What every transaction must have, as numbers, in the file's order."""
NUMBER_NAMES = tuple(column.name for column in NUMBERS)

FRAUD_SHARE = 0.0017
"""Frauds among generated transactions, by default."""
