"""What a server elsewhere refuses is said with its cause, and is not tried again."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from streamweir.broker import clients
from streamweir.broker.clients import admin, kafka_errors, keep_quiet
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamweirError
from streamweir.objectstore import ObjectStore
from tests.servers_elsewhere.conftest import Elsewhere
from tests.support.authorities import Authority

WRONG = {
    "a wrong password": ({"sasl_plain_password": "wrong"}, BadConfiguration, "invalid credentials"),
    "an unknown account": ({"sasl_plain_username": "nobody"}, BadConfiguration, "invalid credentials"),
    "a missing file": (
        {"ssl_cafile": "/nowhere.pem"},
        BadConfiguration,
        "ssl_cafile=/nowhere.pem, and there is",
    ),
    "another mechanism": (
        {"sasl_mechanism": "PLAIN"},
        BadConfiguration,
        "supported mechanisms: SCRAM-SHA-512",
    ),
    "no such mechanism": ({"sasl_mechanism": "FOO"}, BadConfiguration, "says sasl_mechanism=FOO"),
    "no certificate": (
        {"ssl_certfile": None, "ssl_keyfile": None, "ssl_password": None},
        DependencyUnreachable,
        "`ssl_certfile` which certificate it is shown",
    ),
    "no TLS": (
        {
            "security_protocol": "SASL_PLAINTEXT",
            "ssl_cafile": None,
            "ssl_certfile": None,
            "ssl_keyfile": None,
            "ssl_password": None,
        },
        DependencyUnreachable,
        "`security_protocol` says",
    ),
}
"""What is said in place of what is right; None: nothing. Not to be told from a broker that hangs: no
certificate, no TLS."""


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in every program of ours; and nobody waits for what does not come."""
    keep_quiet()
    monkeypatch.setitem(clients._CLIENT, "bootstrap_timeout_ms", 2_000)


def refusal(kafka: KafkaConnection, **said: str | None) -> StreamweirError:
    """What is raised when this is said of the cluster."""
    whole = {**kafka.security, **said}
    connection = replace(kafka, security={name: word for name, word in whole.items() if word is not None})
    with (
        pytest.raises(StreamweirError) as raised,
        kafka_errors(connection, "list the topics"),
        closing(admin(connection)) as client,
    ):
        client.list_topics()
    return raised.value


@pytest.mark.parametrize("what", WRONG)
def test_what_kafka_refuses_is_said(elsewhere: Elsewhere, what: str) -> None:
    said, kind, words = WRONG[what]
    error = refusal(elsewhere.kafka, **said)
    assert type(error) is kind
    assert words in str(error)


def test_a_broker_of_an_unknown_authority_is_not_trusted(elsewhere: Elsewhere, authority: Authority) -> None:
    error = refusal(elsewhere.kafka, ssl_cafile=str(authority.other))
    assert type(error) is BadConfiguration
    assert "certificate" in str(error)
    assert "STREAMWEIR_CA_FILE or `ssl_cafile` names whom to trust" in str(error)


def test_a_store_of_an_unknown_authority_is_not_trusted(https_store: StoreConnection) -> None:
    unknown = replace(https_store, ca_file="")
    with pytest.raises(BadConfiguration, match="certificate is not trusted here; STREAMWEIR_CA_FILE names"):
        ObjectStore(unknown).get(ObjectKey("streams", "x"))


def test_a_store_that_wants_https_says_so(https_store: StoreConnection) -> None:
    with pytest.raises(BadConfiguration, match="speaks https only; leave `secure` true"):
        ObjectStore(replace(https_store, secure=False)).get(ObjectKey("streams", "x"))


def test_a_store_of_a_known_authority_is_read(https_store: StoreConnection) -> None:
    assert ObjectStore(https_store).get(ObjectKey("streams", "x")) is None


def test_a_file_that_names_no_authority_is_refused(https_store: StoreConnection, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nobody")
    with pytest.raises(BadConfiguration, match="STREAMWEIR_CA_FILE names a file that holds no certificate"):
        ObjectStore(replace(https_store, ca_file=str(tmp_path / "empty.pem"))).get(ObjectKey("streams", "x"))
