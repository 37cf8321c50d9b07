#!/usr/bin/env bash
# pyspark 4.2.0, Java 17: an indexed number of another type is unknown to a string indexer, silently with keep.
#
# A StringIndexer takes numeric columns and compares their texts. Fitted on an integer column it knows "5000"; the
# same numbers as doubles are "5000.0", and none of them is known. handleInvalid=keep then gives every row the
# index of unknown values, skip drops every row, and only error says so. A CSV whose column has one fraction more
# than the training data is enough.
#
# Seen: the labels are ['5000', '7000']; for 5000.0 and 7000.0 keep gives [2.0, 2.0], skip gives no row, error
#       raises "Unseen label: 5000.0".
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q pyspark==4.2.0 numpy==2.4.6
cat > "$dir/try.py" <<'PY'
from pyspark.ml.feature import StringIndexer
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false").config("spark.log.level", "OFF").getOrCreate()
)
train = spark.createDataFrame([(5000,), (7000,), (5000,)], "fee int")
asked = spark.createDataFrame([(5000.0,), (7000.0,)], "fee double")
for mode, expected in (("keep", [2.0, 2.0]), ("skip", []), ("error", "Unseen label: 5000.0")):
    indexer = StringIndexer(inputCol="fee", outputCol="i", handleInvalid=mode).fit(train)
    assert indexer.labels == ["5000", "7000"], indexer.labels
    try:
        found = [row.i for row in indexer.transform(asked).collect()]
    except Exception as error:
        found = expected if str(expected) in str(error) else str(error)
    print(f"{mode}: {found}")
    assert found == expected, found
PY
"$dir/venv/bin/python" "$dir/try.py" 2>"$dir/err" || { cat "$dir/err"; exit 1; }
