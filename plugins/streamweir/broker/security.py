"""What a connection says about Kafka's security, for each client in its own words.

It is said in kafka-python's words. One that some client cannot follow is refused: two clients of a cluster
must not differ in whom they trust and who they are.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streamweir.connections import KafkaConnection
from streamweir.errors import BadConfiguration

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
"""The mechanisms that all clients have, and Java's class for each."""
_LOGIN = ("sasl_mechanism", "sasl_plain_username", "sasl_plain_password")
_FILES = ("ssl_cafile", "ssl_certfile", "ssl_keyfile")
_WORDS = ("security_protocol", *_LOGIN, *_FILES, "ssl_password", "ssl_check_hostname")
_PREFIXES = ("security_", "sasl_", "ssl_")
_LIBRDKAFKA = {
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_password": "ssl.key.password",
}


def checked(connection: KafkaConnection) -> Mapping[str, Any]:
    """What the connection says about security, once it is known that every client can follow.

    A key that lies in its certificate's file is named there, too. Raises BadConfiguration for a word that
    some client does not know, words that do not go together, and a file that is not there.
    """
    said = {name: value for name, value in connection.security.items() if name.startswith(_PREFIXES)}
    if fault := next(_faults(said), None):
        raise BadConfiguration(f"the Kafka connection says {fault}")
    return {"ssl_keyfile": said["ssl_certfile"], **said} if "ssl_certfile" in said else said


def librdkafka(connection: KafkaConnection) -> dict[str, Any]:
    """librdkafka's settings; errors as in `checked`."""
    said = checked(connection)
    settings = {word: said[name] for name, word in _LIBRDKAFKA.items() if name in said}
    names = "https" if said.get("ssl_check_hostname", True) else "none"
    return settings | {"ssl.endpoint.identification.algorithm": names}


def java(connection: KafkaConnection) -> dict[str, str]:
    """The properties of Kafka's own Java client; errors as in `checked`, and for a key that cannot be read.

    Certificates and key as texts, so that no other machine needs the files.
    """
    said = checked(connection)
    texts = {name: Path(said[name]).read_text() for name in ("ssl_cafile", "ssl_certfile") if name in said}
    stores = {"ssl.truststore.type": "ssl_cafile", "ssl.keystore.type": "ssl_certfile"}
    found = {
        "security.protocol": said.get("security_protocol"),
        "sasl.mechanism": said.get("sasl_mechanism"),
        "sasl.jaas.config": _jaas(said) if "sasl_mechanism" in said else None,
        **{kind: "PEM" for kind, name in stores.items() if name in said},
        "ssl.truststore.certificates": texts.get("ssl_cafile"),
        "ssl.keystore.certificate.chain": texts.get("ssl_certfile"),
        "ssl.keystore.key": _key(said) if "ssl_keyfile" in said else None,
        "ssl.endpoint.identification.algorithm": "" if said.get("ssl_check_hostname") is False else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _faults(said: Mapping[str, Any]) -> Iterator[str]:
    protocol, mechanism = said.get("security_protocol", "PLAINTEXT"), said.get("sasl_mechanism")
    for name in said:
        if name not in _WORDS:
            yield f"{name}, which not all clients can follow; they know {', '.join(_WORDS)}"
    if protocol not in _PROTOCOLS:
        yield f"security_protocol={protocol}; it is one of {', '.join(_PROTOCOLS)}"
    if mechanism is not None and mechanism not in _MODULES:
        yield f"sasl_mechanism={mechanism}, which not all clients have; they have {', '.join(_MODULES)}"
    for part, prefix, but in (("SASL", "sasl_", "asks for no login"), ("SSL", "ssl_", "speaks no TLS")):
        for name in said:
            if name.startswith(prefix) and part not in protocol:
                yield f"{name}, but security_protocol={protocol} {but}"
    for name in _LOGIN:
        if "SASL" in protocol and name not in said:
            yield f"security_protocol={protocol}, but no {name}"
    for name in ("ssl_keyfile", "ssl_password"):
        if name in said and "ssl_certfile" not in said:
            yield f"{name}, but no ssl_certfile"
    for name in _FILES:
        if name in said and not Path(said[name]).is_file():
            yield f"{name}={said[name]}, and there is no such file"
    if not isinstance(said.get("ssl_check_hostname", True), bool):
        yield f"ssl_check_hostname={said['ssl_check_hostname']!r}; it is true or false, without quotes"


def _key(said: Mapping[str, Any]) -> str:
    """The key as Java 17 reads it: PKCS #8 without a password."""
    # Not needed on executors.
    from cryptography.hazmat.primitives import serialization as pem

    password = said["ssl_password"].encode() if "ssl_password" in said else None
    try:
        key = pem.load_pem_private_key(Path(said["ssl_keyfile"]).read_bytes(), password)
    except (TypeError, ValueError) as error:
        raise BadConfiguration(
            f"the Kafka connection says ssl_keyfile={said['ssl_keyfile']}: {error}; ssl_password opens it"
        ) from error
    return key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()).decode()


def _jaas(said: Mapping[str, Any]) -> str:
    name, password = (_quoted(said[f"sasl_plain_{part}"]) for part in ("username", "password"))
    return f"{_MODULES[said['sasl_mechanism']]} required username={name} password={password};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
