"""The authorities that all clients trust, as Java reads them: it takes no PEM file for all that it does."""

import hashlib
import uuid
from pathlib import Path

from streamweir.errors import BadConfiguration
from streamweir.variables import CA_FILE


def for_java(ca_file: str, folder: Path) -> Path | None:
    """The PEM file's certificates as a PKCS #12 file in `folder`, named by its content; None without a file.

    Raises BadConfiguration for a file that holds no certificates in PEM.
    """
    if not ca_file:
        return None
    # Not needed where nobody else than the system is trusted, nor on executors.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

    pem = Path(ca_file).read_bytes()
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadConfiguration(f"{CA_FILE} names {ca_file}: it holds no certificates in PEM") from error
    # Certificates are no secret; without a password Java reads them unasked.
    named = [pkcs12.PKCS12Certificate(each, str(at).encode()) for at, each in enumerate(found)]
    target = folder / f"trusted-{hashlib.sha256(pem).hexdigest()[:16]}.p12"
    draft = target.with_suffix(f".{uuid.uuid4().hex}")
    draft.write_bytes(pkcs12.serialize_java_truststore(named, NoEncryption()))
    return draft.rename(target)


def java_options(trusted: Path) -> str:
    """What Java is told to trust those in the file."""
    return f'-Djavax.net.ssl.trustStore="{trusted}" -Djavax.net.ssl.trustStoreType=PKCS12'
