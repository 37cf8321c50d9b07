"""A Java 17 or 21: the user's own, else Debian's package unpacked into the cache."""

import hashlib
import os
import re
import shutil
import ssl
import struct
from pathlib import Path

from infra.bootstrap import cache
from infra.bootstrap.processes import SetupFailed, output, run, say
from infra.bootstrap.versions import pinned

_SUPPORTED = ("17", "21")
_REMEDY = "install a Java 17 or 21 runtime and put `java` on the PATH, then run `make setup` again"


def home(checkout: Path) -> Path:
    """JAVA_HOME of a usable Java."""
    candidates = [Path(os.environ["JAVA_HOME"]) / "bin" / "java"] if os.environ.get("JAVA_HOME") else []
    for program in [*candidates, Path("java")]:
        found = _usable(program)
        if found:
            return found
    return _debian(pinned(checkout, "java"))


def _usable(program: Path) -> Path | None:
    """The home of a Java of a supported version, or None."""
    said = output([program, "-XshowSettings:properties", "-version"]) or ""
    version = re.search(r"java\.specification\.version = (\d+)", said)
    place = re.search(r"java\.home = (.+)", said)
    return Path(place[1].strip()) if version and place and version[1] in _SUPPORTED else None


def _debian(package: str) -> Path:
    def make(folder: Path) -> None:
        say(f"no Java 17 or 21 on the PATH: fetching Debian's {package} (44 MB) into the cache")
        archive = _download(package, folder)
        run(["dpkg", "-x", archive, folder], _REMEDY)
        archive.unlink()
        _localise(folder)
        java = next(folder.glob("usr/lib/jvm/*/bin/java"))
        if _usable(java) is None:
            raise SetupFailed(f"Debian's {package} does not run here: {_REMEDY}")

    root = cache.entry(cache.cache_root(), f"java/{package}", make, say)
    return next(root.glob("usr/lib/jvm/*/bin/java")).parents[1]


def _download(package: str, folder: Path) -> Path:
    """The package file, verified by apt against Debian's signed lists; needs no root."""
    download = ["apt-get", "-q", "download", package]
    if output(["apt-cache", "show", package]) is None:
        say("fetching Debian's package lists into the cache")
        state = folder / "apt"
        (state / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={state / 'lists'}", "-o", f"Dir::Cache={state}",
               "-o", "APT::Sandbox::User="]  # fmt: skip
        run(["apt-get", "-q", *own, "update"], _REMEDY)
        download = ["apt-get", "-q", *own, "download", package]
    run(download, _REMEDY, cwd=folder)
    shutil.rmtree(folder / "apt", ignore_errors=True)
    return next(folder.glob("*.deb"))


def _localise(root: Path) -> None:
    """Turn the links into /etc, where Debian would install the files, into links inside the folder."""
    for link in [path for path in root.rglob("*") if path.is_symlink()]:
        target = Path(os.readlink(link))
        if target.is_absolute():
            link.unlink()
            link.symlink_to(os.path.relpath(root / target.relative_to("/"), link.parent))
    java = next(root.glob("usr/lib/jvm/*/bin/java")).parents[1]
    store = java / "lib" / "security" / "cacerts"
    store.unlink(missing_ok=True)
    store.write_bytes(trust_store(_authorities()))


def _authorities() -> list[bytes]:
    """The certificate authorities that this machine trusts, DER."""
    context = ssl.create_default_context()
    return context.get_ca_certs(binary_form=True)


def trust_store(authorities: list[bytes], password: str = "changeit") -> bytes:  # noqa: S107
    """A Java key store (JKS version 2) of trusted certificates; the password is Java's public default.

    The format is described in the source of sun.security.provider.JavaKeyStore.
    """
    body = struct.pack(">III", 0xFEEDFEED, 2, len(authorities))
    for number, certificate in enumerate(authorities):
        alias = f"authority-{number}".encode()
        body += struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">QH", 0, 5) + b"X.509"
        body += struct.pack(">I", len(certificate)) + certificate
    seal = password.encode("utf-16-be") + b"Mighty Aphrodite" + body
    return body + hashlib.sha1(seal, usedforsecurity=False).digest()
