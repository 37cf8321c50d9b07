"""What a connection says about security, for librdkafka and for Java: both follow, or it is refused."""

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streamweir.broker.security import checked, java, librdkafka
from streamweir.connections import KafkaConnection
from streamweir.errors import BadConfiguration
from tests.support.authorities import KEY_PASSWORD, Authority

LOGIN = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_plain_username": "me",
    "sasl_plain_password": 'a "secret\\',
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
def files(authority: Authority) -> dict[str, str]:
    """A connection's files."""
    return {
        "ssl_cafile": str(authority.ca),
        "ssl_certfile": str(authority.client),
        "ssl_keyfile": str(authority.client_key),
    }


def secured(**said: Any) -> KafkaConnection:
    return KafkaConnection("one:9092", said)


def test_both_clients_trust_and_present_the_same(files: dict[str, str], authority: Authority) -> None:
    connection = secured(**LOGIN, **files, ssl_password=KEY_PASSWORD, request_timeout_ms="30000")
    assert librdkafka(connection) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": 'a "secret\\',
        "ssl.ca.location": files["ssl_cafile"],
        "ssl.certificate.location": files["ssl_certfile"],
        "ssl.key.location": files["ssl_keyfile"],
        "ssl.key.password": KEY_PASSWORD,
        "ssl.endpoint.identification.algorithm": "https",
    }
    for_java = java(connection)
    key = load_pem_private_key(for_java.pop("ssl.keystore.key").encode(), None)
    assert key.public_key() == certificate(authority.client).public_key()
    assert for_java == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="me" password="a \\"secret\\\\";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": authority.ca.read_text(),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": authority.client.read_text(),
    }


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_key_may_lie_in_the_file_of_its_certificate(authority: Authority) -> None:
    connection = secured(security_protocol="SSL", ssl_certfile=str(authority.server))
    assert librdkafka(connection)["ssl.key.location"] == str(authority.server)
    key = load_pem_private_key(java(connection)["ssl.keystore.key"].encode(), None)
    assert key.public_key() == certificate(authority.server).public_key()


@pytest.mark.parametrize("password", [{}, {"ssl_password": "wrong"}])
def test_a_key_that_cannot_be_read_is_named(files: dict[str, str], password: dict[str, str]) -> None:
    with pytest.raises(BadConfiguration, match=r"ssl_keyfile=.*client-key\.pem: .*; ssl_password opens it"):
        java(secured(security_protocol="SSL", **files, **password))


def test_names_go_unchecked_only_when_the_connection_says_so() -> None:
    unchecked, word = (
        secured(security_protocol="SSL", ssl_check_hostname=False),
        "ssl.endpoint.identification.algorithm",
    )
    assert (librdkafka(unchecked)[word], java(unchecked)[word]) == ("none", "")
    assert librdkafka(secured(security_protocol="SSL"))[word] == "https"
    assert word not in java(secured(security_protocol="SSL"))


def test_a_cluster_without_security_is_told_nothing() -> None:
    assert java(KafkaConnection("one:9092")) == checked(KafkaConnection("one:9092")) == {}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sasl_oauth_token_provider": "x"}, "sasl_oauth_token_provider, which not all clients can follow"),
        ({"ssl_ciphers": "HIGH"}, "ssl_ciphers, which not all clients can follow; they know security_prot"),
        ({**LOGIN, "sasl_mechanism": "OAUTHBEARER"}, "sasl_mechanism=OAUTHBEARER, which not all clients"),
        ({**LOGIN, "sasl_mechanism": "GSSAPI"}, "they have PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ({"security_protocol": "TLS"}, "security_protocol=TLS; it is one of PLAINTEXT, SSL"),
        (
            {"sasl_plain_username": "me"},
            "username, but security_protocol=PLAINTEXT asks for no login",
        ),
        ({**LOGIN, "security_protocol": "SSL"}, "but security_protocol=SSL asks for no login"),
        ({"ssl_cafile": "/ca"}, "ssl_cafile, but security_protocol=PLAINTEXT speaks no TLS"),
        (
            {name: said for name, said in LOGIN.items() if name != "sasl_mechanism"},
            "security_protocol=SASL_SSL, but no sasl_mechanism",
        ),
        ({"security_protocol": "SSL", "ssl_keyfile": "/key"}, "ssl_keyfile, but no ssl_certfile"),
        ({"security_protocol": "SSL", "ssl_cafile": "/not/there"}, "ssl_cafile=/not/there, and there is no"),
        ({"security_protocol": "SSL", "ssl_check_hostname": "false"}, "ssl_check_hostname='false'; it is"),
    ],
)
def test_what_some_client_cannot_follow_is_refused_by_name(said: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfiguration, match="the Kafka connection says") as refused:
        java(KafkaConnection("one:9092", said))
    assert words in str(refused.value)
