"""`ecommerce_fraud`: how its messages are read, its features computed, its figures kept.

`reader.READER` reads messages, `domain.Domain` scores them, `figures.Figures` follows from the scored rows.
"""
