#!/usr/bin/env bash
# kafka-python 3.0.12: a consumer that cannot reach its cluster cannot be closed.
#
# KafkaConsumer starts a thread for its connections before it asks the cluster for its version. When nobody answers
# within bootstrap_timeout_ms the constructor raises, and the thread stays: the caller has no object to close. A
# program that tries again while the cluster is away has one more thread for each try. The client made by the setting
# kafka_client is the way to it: closing that one ends the thread.
#
# Seen: three consumers refused, 3 threads left; 0 after the three clients were closed.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q kafka-python==3.0.12
cat > "$dir/try.py" <<'PY'
import logging
import socket
import threading

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

logging.disable()
clients = []


def client(**settings):
    clients.append(KafkaNetClient(**settings))
    return clients[-1]


def threads():
    return sum("kafka" in thread.name for thread in threading.enumerate())


with socket.socket() as taken:  # bound and not listening, so that nobody answers
    taken.bind(("127.0.0.1", 0))
    for _ in range(3):
        try:
            KafkaConsumer(
                bootstrap_servers=[f"127.0.0.1:{taken.getsockname()[1]}"],
                bootstrap_timeout_ms=300, kafka_client=client,
            )
        except (KafkaError, OSError):
            continue
        raise SystemExit("a consumer was made")
left = threads()
for one in clients:
    one.close()
print(f"left: {left}, after closing: {threads()}")
assert (left, threads()) == (3, 0)
PY
"$dir/venv/bin/python" "$dir/try.py"
