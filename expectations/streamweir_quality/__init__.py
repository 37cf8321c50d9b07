"""Inspection: Great Expectations suites per table, their runner, and data docs that open offline.

The suites of a pipeline are found by its word: `streamweir_quality.<word>` offers `subjects(inputs)`.
"""

import os

# No telemetry. Great Expectations reads this when it is imported, which every module here does later.
os.environ["GX_ANALYTICS_ENABLED"] = "false"
