"""What the app that scores a run's rows again is given and gives back: a parquet file each.

It is given the columns that a model may use, and gives back a row for each row that comes out of the model.
"""

from streamweir.contracts.tables import Column, Type

ROW = "__row"
"""The number of a row in the file that the app is given, 0 first."""

SCORES = (
    Column(ROW, Type.INT, "which row it is"),
    Column("probability", Type.DOUBLES, "the model's probabilities"),
    Column("fraud_probability", Type.DOUBLE, "the probability of fraud"),
    Column("prediction", Type.INT, "1 when the model's own prediction is fraud"),
    Column("refusal", Type.STRING, "why the model refuses the row, alone or with others; else null"),
)
