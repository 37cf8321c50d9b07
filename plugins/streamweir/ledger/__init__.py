"""The ledger: what was sent, what Kafka holds and what the tables hold, counted apart and compared."""

from streamweir.ledger.reconciliation import reconcile

__all__ = ["reconcile"]
