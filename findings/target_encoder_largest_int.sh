#!/usr/bin/env bash
# pyspark 4.2.0, Java 17: a target encoder forgets the category 2147483647, which many data sets use for "missing".
#
# TargetEncoder keeps what it learnt of unseen values under the key 2147483647 of the same map that holds the
# categories. When the data has that very category, its own figure is overwritten: with handleInvalid=keep its
# rows are encoded as unseen ones, and with handleInvalid=error a category that was learnt is "unseen".
#
# Seen: keep encodes 1, 2, 2147483647, 9 as 0.0, 1.0, 0.667, 0.667 where 2147483647 had only the label 1;
#       error raises "Unseen value 2147483647 in feature c" for a row of the training data.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q pyspark==4.2.0 numpy==2.4.6
cat > "$dir/try.py" <<'PY'
from pyspark.ml.feature import TargetEncoder
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false").config("spark.log.level", "OFF").getOrCreate()
)
LARGEST = 2**31 - 1
rows = [(1, 0.0), (1, 0.0), (2, 1.0), (2, 1.0), (LARGEST, 1.0), (LARGEST, 1.0)]
train = spark.createDataFrame(rows, "c int, y double")


def fitted(mode):
    return TargetEncoder(
        inputCols=["c"], outputCols=["e"], labelCol="y", targetType="binary", handleInvalid=mode
    ).fit(train)


asked = spark.createDataFrame([(1,), (2,), (LARGEST,), (9,)], "c int")
found = [round(row.e, 3) for row in fitted("keep").transform(asked).collect()]
print("keep:", found)
assert found == [0.0, 1.0, 0.667, 0.667], found
try:
    fitted("error").transform(train).collect()
except Exception as error:
    print("error:", str(error).splitlines()[0][:90])
    assert "Unseen value 2147483647" in str(error)
else:
    raise AssertionError("a row of the training data is no longer refused")
PY
"$dir/venv/bin/python" "$dir/try.py" 2>"$dir/err" || { cat "$dir/err"; exit 1; }
