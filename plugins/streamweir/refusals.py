"""What an object store answers in place of an object, in Streamweir's errors: to be tried again, or never."""

from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from minio.error import MinioException, S3Error

from streamweir.contracts.streams import ObjectKey
from streamweir.errors import BadConfiguration, DependencyUnreachable, StreamweirError
from streamweir.variables import CA_FILE

_FINAL = frozenset(
    (
        "AccessDenied", "AuthorizationHeaderMalformed", "InvalidAccessKeyId", "InvalidBucketName",
        "MethodNotAllowed", "NoSuchBucket", "NoSuchKey", "PermanentRedirect", "SignatureDoesNotMatch",
    )
)  # fmt: skip
"""What a store answers again and again: a wrong account, policy, bucket or region, or no such object.

Anything else may pass: a disk that is full, clocks that differ, too many requests, a fault of the store's.
"""
_EXPIRED = "Request has expired"
"""Said with AccessDenied of a signed request when a clock is behind."""
_NEVER = {
    "CERTIFICATE_VERIFY_FAILED": f"its certificate is not trusted here; {CA_FILE} names whom to trust",
    "NO_CERTIFICATE_OR_CRL_FOUND": f"{CA_FILE} names a file that holds no certificate in PEM",
    "WRONG_VERSION_NUMBER": "it speaks http only; say so by `secure: false`",
    "HTTP request to an HTTPS server": "it speaks https only; leave `secure` true",
}
"""Signs, in what a client says, of what does not get better by waiting, and what to do."""


@contextmanager
def store_errors(endpoint: str, key: ObjectKey) -> Iterator[None]:
    """Turns what the client raises about an object into DependencyUnreachable or BadConfiguration."""
    try:
        yield
    except S3Error as error:
        raise refusal(endpoint, key, error.code or "", error.message or "") from error
    except (urllib3.exceptions.HTTPError, MinioException, OSError) as error:
        if remedy := next((said for sign, said in _NEVER.items() if sign in str(error)), None):
            raise BadConfiguration(f"object store {endpoint}: {remedy}") from error
        raise DependencyUnreachable(
            f"object store {endpoint} is out of reach for {key}: {type(error).__name__}"
        ) from error


def refusal(endpoint: str, key: ObjectKey, code: str, message: str) -> StreamweirError:
    """The error for an answer of the store itself, by its code."""
    if code in _FINAL and message != _EXPIRED:
        return BadConfiguration(
            f"object store {endpoint} refused {key}: {code}; "
            "check the account, its policy and the bucket prefix"
        )
    return DependencyUnreachable(f"object store {endpoint} cannot serve {key} at present: {code} {message}")
