"""What an object store's refusals mean: only what would be refused again is a bad configuration."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from streamweir.connections import StoreConnection
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamweirError
from streamweir.objectstore import ObjectStore

KEY = ObjectKey("streams", "a/lease.json")
CALLS: list[Callable[[ObjectStore], object]] = [
    lambda store: store.get(KEY),
    lambda store: store.put(KEY, b"x"),
    lambda store: store.put_if_absent(KEY, b"x"),
    lambda store: store.put_if_match(KEY, b"x", "etag"),
]


class Server(HTTPServer):
    """A store that gives one answer to everything."""

    status, answer = 200, ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(StoreConnection(f"127.0.0.1:{self.server_port}", "me", "secret", secure=False))


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = self.server.answer.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"an-etag"')
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (403, "AccessDenied", "Access Denied.", BadConfiguration),
        (403, "InvalidAccessKeyId", "no such key", BadConfiguration),
        (403, "SignatureDoesNotMatch", "wrong secret", BadConfiguration),
        (507, "XMinioStorageFull", "the disk is full", DependencyUnreachable),
        (403, "RequestTimeTooSkewed", "the clocks differ", DependencyUnreachable),
        (403, "AccessDenied", "Request has expired", DependencyUnreachable),
        (429, "SlowDown", "too many requests", DependencyUnreachable),
        (400, "NeverHeardOf", "?", DependencyUnreachable),
    ],
)
def test_only_what_would_be_refused_again_is_final(
    server: Server,
    call: Callable[[ObjectStore], object],
    status: int,
    code: str,
    message: str,
    kind: type[StreamweirError],
) -> None:
    server.status = status
    server.answer = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    with pytest.raises(kind, match=code) as raised:
        call(server.store)
    assert type(raised.value) is kind


def test_a_missing_bucket_is_final(server: Server) -> None:
    server.status, server.answer = 404, "<Error><Code>NoSuchBucket</Code><Message>none</Message></Error>"
    for call in CALLS[:3]:
        with pytest.raises(BadConfiguration, match="NoSuchBucket"):
            call(server.store)


def test_an_answer_that_is_not_the_stores_may_pass(server: Server) -> None:
    server.status, server.answer = 413, "<html>a proxy</html>"
    with pytest.raises(DependencyUnreachable, match="status 413"):
        server.store.put_if_absent(KEY, b"x")


def test_a_conditional_put_bears_clocks_that_differ_by_a_quarter_of_an_hour(server: Server) -> None:
    assert server.store.put_if_absent(KEY, b"x") == "an-etag"
    assert parse_qs(urlsplit(server.asked[-1]).query)["X-Amz-Expires"] == ["900"]
