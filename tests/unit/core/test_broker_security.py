"""What a connection says about security, for librdkafka and for Java: both follow, or it is refused."""

from pathlib import Path
from typing import Any

import pytest

from streamweir.broker.security import checked, java, librdkafka
from streamweir.connections import KafkaConnection
from streamweir.errors import BadConfiguration

LOGIN = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_plain_username": "me",
    "sasl_plain_password": 'a "secret\\',
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A connection's files, each with its own name in it."""
    found = {name: str(tmp_path / name) for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile")}
    for name, path in found.items():
        Path(path).write_text(f"PEM of {name}")
    return found


def secured(**said: Any) -> KafkaConnection:
    return KafkaConnection("one:9092", said)


def test_both_clients_trust_and_present_the_same(files: dict[str, str]) -> None:
    connection = secured(**LOGIN, **files, ssl_password="hush", request_timeout_ms="30000")
    assert librdkafka(connection) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": 'a "secret\\',
        "ssl.ca.location": files["ssl_cafile"],
        "ssl.certificate.location": files["ssl_certfile"],
        "ssl.key.location": files["ssl_keyfile"],
        "ssl.key.password": "hush",
        "ssl.endpoint.identification.algorithm": "https",
    }
    assert java(connection) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="me" password="a \\"secret\\\\";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": "PEM of ssl_cafile",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": "PEM of ssl_certfile",
        "ssl.keystore.key": "PEM of ssl_keyfile",
        "ssl.key.password": "hush",
    }


def test_a_key_may_lie_in_the_file_of_its_certificate(files: dict[str, str]) -> None:
    connection = secured(security_protocol="SSL", ssl_certfile=files["ssl_certfile"])
    assert librdkafka(connection)["ssl.key.location"] == files["ssl_certfile"]
    assert java(connection)["ssl.keystore.key"] == "PEM of ssl_certfile"


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
