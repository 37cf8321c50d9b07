"""Spark's exceptions in Streamweir's words: one sentence, and an exit code that says what to do next."""

import re
import sys
import traceback
from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from streamweir import errors
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamweirError
from streamweir.scorer.driver import ERROR_PREFIX
from streamweir.variables import TRACEBACK

_UNREACHABLE = re.compile(
    r"org\.apache\.kafka\.common\.errors\.\w*(?:Timeout|Disconnect|Network|NotAvailable|Retriable)\w*"
    r"|java\.net\.\w*Exception|java\.util\.concurrent\.TimeoutException|SdkClientException|AWSClientIOException"
    r"|AWS(?:Service|S3)IOException|AWSServiceThrottledException|AWSStatus500Exception"
    r"|AWSApiCallTimeoutException|AWSNoResponseException|RequestTimeTooSkewed|Request has expired"
    r"|ConnectTimeoutException|NoHttpResponseException"
)
# The gateway between Python and Java only passes on what went wrong on its other side.
_CAUSE = re.compile(r"^\s*Caused by: (?!py4j\.)(.+)$", re.M)
_PYTHON = re.compile(r"^(?!py4j\.)(\w+(?:\.\w+)*(?:Error|Exception|Unusable|Configuration): .+)$", re.M)
_PROGRAM = re.compile(r'Cannot run program "([^"]+)"')
_OWN = re.compile(r"^streamweir\.errors\.(\w+): (.+)$", re.M)
"""An error of Streamweir's that was raised in a Python worker: Spark hands on its traceback."""
_LONGEST = 500


def as_error(raised: StreamweirError | PySparkException | Py4JError) -> StreamweirError:
    """Streamweir's error for what ended a scorer: its own, also one of a Python worker's, else of a kind.

    DependencyUnreachable when Kafka or the store was away, BadConfiguration for a Python that is not there.
    """
    if isinstance(raised, StreamweirError):
        return raised
    text = str(raised)
    if own := _OWN.search(text):
        kind: type[StreamweirError] = getattr(errors, own[1])
        return kind(own[2].strip())
    if program := _PROGRAM.search(text):
        return BadConfiguration(
            f"Spark cannot run {program[1]} on its executors: name their Python in spark.pyspark.python"
        )
    kind = DependencyUnreachable if _UNREACHABLE.search(text) else StreamweirError
    return kind(f"Spark gave up: {sentence(text)}")


def exit_code(work: Callable[[], None]) -> int:
    """Do a program's work; returns 0. Every other end is said in one line that begins with `error:`, and the
    exit code says what to do next."""
    try:
        work()
    except (StreamweirError, PySparkException, Py4JError) as raised:
        error = as_error(raised)
        if TRACEBACK.of():
            traceback.print_exception(raised)
        print(f"{ERROR_PREFIX}{error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def sentence(text: str) -> str:
    """What went wrong first, of the text of an exception of Spark's."""
    for pattern in (_PYTHON, _CAUSE):
        found = pattern.findall(text)
        if found:
            return str(found[-1]).strip()[:_LONGEST]
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")[:_LONGEST]
