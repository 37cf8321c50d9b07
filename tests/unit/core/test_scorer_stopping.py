"""How a scorer ends: whole micro-batches, no write after the lease was lost, and errors in one sentence."""

import subprocess
import sys
import threading

import pytest
from py4j.protocol import Py4JError
from pyspark.errors import StreamingQueryException

from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamHeld, StreamweirError
from streamweir.scorer.spec import parse
from streamweir.scorer.stop import Stopping, StopRequested
from streamweir_spark.failures import as_error

ARGUMENTS = [
    *("--stream", "prod", "--scorer", "run-1", "--holder", "h", "--dataset", "d", "--model", "m"),
    *("--time-zone", "UTC", "--lateness-s", "60"),
    *("--max-messages", "2000", "--options", '{"lookback_s": 600}'),
]


def test_no_micro_batch_begins_once_a_stop_was_asked_for() -> None:
    stopping = Stopping()
    with stopping.micro_batch():
        stopping.ask()
    with pytest.raises(StopRequested), stopping.micro_batch():
        pytest.fail("it began")


def test_a_stop_waits_until_the_present_micro_batch_is_written() -> None:
    stopping, begun, may_end = Stopping(), threading.Event(), threading.Event()
    written: list[str] = []

    def write() -> None:
        with stopping.micro_batch():
            begun.set()
            may_end.wait(10)
            written.append("whole")

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait(10)
    stopping.ask()
    threading.Timer(0.05, may_end.set).start()
    stopping.wait_for_micro_batch()
    assert written == ["whole"]
    writer.join()


def test_a_micro_batch_that_fails_does_not_hold_up_the_end() -> None:
    stopping = Stopping()
    with pytest.raises(ValueError, match="a fault"), stopping.micro_batch():
        raise ValueError("a fault")
    stopping.wait_for_micro_batch()


def test_nothing_is_written_after_the_lease_was_lost() -> None:
    stopping = Stopping()
    stopping.check()
    stopping.lose(StreamHeld("taken over"))
    assert stopping.asked
    with pytest.raises(StreamHeld, match="taken over"):
        stopping.check()


def test_the_arguments_become_what_to_score() -> None:
    spec, holder = parse("ecommerce_fraud", ARGUMENTS)
    assert (spec.stream, spec.scorer, spec.model, holder) == (
        Stream("ecommerce_fraud", "prod"),
        "run-1",
        "m",
        "h",
    )
    assert (spec.lateness_s, spec.max_messages, spec.options) == (60, 2000, {"lookback_s": 600})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--lateness-s", "soon"], "lateness-s"),
        (["--stream", "Prod!"], "stream id"),
        (["--speed", "3"], "unrecognized"),
    ],
)
def test_arguments_that_do_not_fit_are_a_bad_configuration(change: list[str], words: str) -> None:
    with pytest.raises(BadConfiguration, match=words):
        parse("ecommerce_fraud", [*ARGUMENTS, *change])


def test_a_signal_that_is_repeated_does_not_cut_off_the_end() -> None:
    # An object that is left over is destroyed when the interpreter has given up its signal handlers.
    program = """
import os, signal
from streamweir.scorer.stop import Stopping
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid()):
        kill(pid, 15)
late, stopping = Late(), Stopping()
stopping.listen()
os.kill(os.getpid(), signal.SIGTERM)
assert stopping.asked
stopping.close()
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    program = program.replace("stopping.close()", "")
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -15


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        (
            "Query terminated\nCaused by: java.net.ConnectException: Connection refused",
            DependencyUnreachable,
            "java.net.ConnectException: Connection refused",
        ),
        (
            "x\norg.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment.",
            DependencyUnreachable,
            "Timed out waiting",
        ),
        *(
            (f"x\nCaused by: {text}", DependencyUnreachable, text)
            for text in (
                "org.apache.hadoop.fs.s3a.AWSS3IOException: PUT x: XMinioStorageFull (Status Code: 507)",
                "org.apache.hadoop.fs.s3a.AWSServiceThrottledException: PUT: SlowDown (Status Code: 503)",
                "java.nio.file.AccessDeniedException: s3a://b/k: RequestTimeTooSkewed: the clocks differ",
            )
        ),
        (
            "x\nCaused by: java.nio.file.AccessDeniedException: s3a://b/k: InvalidAccessKeyId",
            StreamweirError,
            "InvalidAccessKeyId",
        ),
        (
            "boom\nTraceback (most recent call):\n  File x\nKeyError: 'session_id'\n\tat org.apache.spark",
            StreamweirError,
            "KeyError: 'session_id'",
        ),
        (
            "Reason: Return Message: Traceback (most recent call last):\n  File x, line 1\n"
            "py4j.protocol.Py4JJavaError: An error occurred while calling o1.getResult.\n"
            ": org.apache.spark.SparkException: Exception thrown in awaitResult: \n\tat org.apache.spark\n"
            "Caused by: org.apache.spark.SparkException: [FAILED_EXECUTE_UDF] User defined function\n"
            "Caused by: java.lang.IllegalArgumentException: x.size = 6, y.size = 7\n\t... 1 more\n"
            "Caused by: py4j.Py4JException: An exception was raised by the Python Proxy.",
            StreamweirError,
            "IllegalArgumentException: x.size = 6, y.size = 7",
        ),
        (
            'SparkException: task failed: java.io.IOException: Cannot run program "/there/python3": error=2\n'
            "Caused by: java.io.IOException: error=2, No such file or directory",
            BadConfiguration,
            "cannot run /there/python3",
        ),
        ("nothing known", StreamweirError, "nothing known"),
        ("", StreamweirError, "no reason given"),
    ],
)
def test_what_spark_says_becomes_one_sentence(text: str, kind: type, sentence: str) -> None:
    error = as_error(StreamingQueryException(text))
    assert type(error) is kind
    assert sentence in str(error)
    assert "\n" not in str(error)


def test_an_error_of_our_own_is_kept_and_one_of_the_gateway_is_named() -> None:
    own = BadConfiguration("topic missing")
    assert as_error(own) is own
    assert "the Java side is silent" in str(as_error(Py4JError("the Java side is silent")))
