#!/usr/bin/env bash
# pyspark 4.2.0, Java 17: whether a fitted label indexer may stay in a pipeline depends on handleInvalid.
#
# A StringIndexerModel whose input column is absent passes a frame on unchanged, so that a pipeline that indexes
# its label scores frames without one. That holds for handleInvalid=error and keep. With skip it first drops the
# rows with unseen labels, asks for the column there, and the same frame cannot be analysed.
#
# Seen: error and keep return the columns ['fee']; skip raises UNRESOLVED_COLUMN for `label`.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q pyspark==4.2.0 numpy==2.4.6
cat > "$dir/try.py" <<'PY'
from pyspark.errors import AnalysisException
from pyspark.ml.feature import StringIndexer
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false").config("spark.log.level", "OFF").getOrCreate()
)
train = spark.createDataFrame([(1.0, "no"), (2.0, "yes")], "fee double, label string")
for mode in ("error", "keep", "skip"):
    indexer = StringIndexer(inputCol="label", outputCol="y", handleInvalid=mode).fit(train)
    try:
        found = indexer.transform(train.drop("label")).columns
    except AnalysisException as error:
        found = error.getCondition()
    print(f"{mode}: {found}")
    expected = "UNRESOLVED_COLUMN.WITH_SUGGESTION" if mode == "skip" else ["fee"]
    assert found == expected, found
PY
"$dir/venv/bin/python" "$dir/try.py" 2>"$dir/err" || { cat "$dir/err"; exit 1; }
