"""Two runs of the same recording side by side: what differs in their tables, and what their scores are worth.

The one is called the baseline, the other the candidate. The result is documented in docs/bundle.md.
"""

from streamweir.comparison.results import EQUAL, compare, put_comparison
from streamweir.comparison.runs import alike, name_of, refuse_unlike, run_named

__all__ = ["EQUAL", "alike", "compare", "name_of", "put_comparison", "refuse_unlike", "run_named"]
