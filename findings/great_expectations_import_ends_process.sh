#!/usr/bin/env bash
# great-expectations 1.24.1 beside pyspark 4.2.0 without its Connect extra: an import ends the process, with success.
#
# Great Expectations tries on import whether pyspark.sql.connect is there, and is ready for an ImportError. That
# package takes an interpreter whose main module has no file for a run of its doctests: where grpc is absent it says
# "Skipping doctests" and leaves with status 0, which no `except ImportError` catches. So `python -c` stops there
# without an error, and the same code in a script goes on. A pool of spawned processes, whose children start by
# `python -c`, starts a new child for each that has left, and waits for ever.
#
# Seen: a script prints "imported"; `python -c` prints "Skipping doctests: No module named 'grpc'" and
# nothing else; both have status 0.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q great-expectations==1.24.1 pyspark==4.2.0 pandas==2.3.3 pyarrow==26.0.1
code='import great_expectations; print("imported")'
echo "$code" > "$dir/try.py"
script=$("$dir/venv/bin/python" "$dir/try.py")
command=$("$dir/venv/bin/python" -c "$code" 2>"$dir/err") || { cat "$dir/err"; exit 1; }
echo "script: $script; python -c: ${command:-nothing}, $(tail -n 1 "$dir/err")"
[ "$script" = imported ] && [ -z "$command" ] && grep -q 'Skipping doctests' "$dir/err"
