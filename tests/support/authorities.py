"""An authority that nobody knows, and servers with its certificates."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

KEY_PASSWORD = "key-password"


@dataclass(frozen=True)
class Authority:
    """PEM files: an authority that nobody knows, a server's key with its certificates, a client's
    certificate, its key with a password, another authority."""

    ca: Path
    server: Path
    client: Path
    client_key: Path
    other: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """Make them, each time others."""
        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca, other = _certificate("a private authority", ca_key), _certificate("another authority", key)
        server = _certificate("a server", key, by=("a private authority", ca_key))
        made = cls(*(folder / f"{name}.pem" for name in ("ca", "server", "client", "client-key", "other")))
        made.ca.write_bytes(ca)
        made.other.write_bytes(other)
        made.server.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + server + ca
        )
        hidden = BestAvailableEncryption(KEY_PASSWORD.encode())
        made.client.write_bytes(_certificate("a client", key, by=("a private authority", ca_key)))
        made.client_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
        return made


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, by: tuple[str, ec.EllipticCurvePrivateKey] | None = None
) -> bytes:
    """An authority's own certificate, or that of a server on 127.0.0.1 by an authority; PEM."""
    issuer, signer = by or (name, key)
    now = datetime.now(UTC)
    here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .sign(signer, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
