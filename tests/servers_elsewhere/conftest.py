"""Servers as they are elsewhere: Kafka with SASL, TLS and rights, a store with https, a private authority."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePatternFilter,
    ResourceType,
)
from minio import Minio
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from infra.plan import installed_tools
from infra.ports import accepts, free_ports
from streamweir.broker.clients import admin
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.streams import BUCKETS
from tests.support.authorities import KEY_PASSWORD, Authority

TEST_STORE = "STREAMWEIR_TEST_STORE"
"""Set: the store to test on is the one that STREAMWEIR_STORE_… names, instead of one that is started."""

USER, PASSWORD = "streamweir", "right-password"
_KAFKA = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=SASL_SSL://127.0.0.1:{port},INSIDE://127.0.0.1:{inside},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://127.0.0.1:{port},INSIDE://127.0.0.1:{inside}
listener.security.protocol.map=SASL_SSL:SASL_SSL,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=INSIDE
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login} required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.sasl_ssl.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
auto.create.topics.enable=false
"""
_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"
_READY_WITHIN_S = 120


@dataclass(frozen=True)
class Elsewhere:
    """A Kafka cluster as a user sees it, and as its administrators do."""

    kafka: KafkaConnection
    inside: KafkaConnection


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Made for these tests."""
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def elsewhere(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """A broker that asks for a certificate and a password, over TLS, and gives nobody a right by itself."""
    folder = tmp_path_factory.mktemp("kafka")
    port, inside, controller = free_ports(3)
    (folder / "server.pem").write_bytes(authority.server.read_bytes())
    (folder / "ca.pem").write_bytes(authority.ca.read_bytes())
    config = folder / "server.properties"
    config.write_text(
        _KAFKA.format(port=port, inside=inside, controller=controller, folder=folder, login=_LOGIN)
    )
    tools = installed_tools()
    java = [str(tools["java_home"] / "bin" / "java"), "-Xmx384m", "-XX:+UseSerialGC"]
    java += ["-cp", f"{tools['kafka_jars']}/*"]
    account = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    storage = [*java, "kafka.tools.StorageTool", "format", "--cluster-id=MkU3OEVBNTcwNTJENDM2Qg"]
    subprocess.run(
        [*storage, f"--config={config}", f"--add-scram={account}"], check=True, capture_output=True
    )
    security = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": USER,
        "sasl_plain_password": PASSWORD,
        "ssl_cafile": str(authority.ca),
        "ssl_certfile": str(authority.client),
        "ssl_keyfile": str(authority.client_key),
        "ssl_password": KEY_PASSWORD,
    }
    with _running([*java, "kafka.Kafka", str(config)], {}, inside, folder / "kafka.log"):
        yield Elsewhere(
            KafkaConnection(f"127.0.0.1:{port}", security), KafkaConnection(f"127.0.0.1:{inside}")
        )


@pytest.fixture
def give(elsewhere: Elsewhere) -> Iterator[Callable[[str], None]]:
    """Gives the account its rights for a pipeline; all of them are taken back."""
    script = Path(__file__).parents[2] / "docs" / "examples" / "kafka_acls.py"

    def call(pipeline: str) -> None:
        argv = [sys.executable, str(script), "--principal", f"User:{USER}", pipeline]
        subprocess.run(argv, env={**os.environ, **elsewhere.inside.to_env()}, check=True)

    yield call
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    with closing(admin(elsewhere.inside)) as inside:
        inside.delete_acls([ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, everything)])


@pytest.fixture(scope="session")
def https_store(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreConnection]:
    """A store that speaks https, with a certificate of the private authority; or the one that is given."""
    if os.environ.get(TEST_STORE):
        given = StoreConnection.from_env()
        _make_buckets(given)
        yield given
        return
    folder = tmp_path_factory.mktemp("minio")
    (folder / "certs").mkdir()
    whole = authority.server.read_bytes()
    at = whole.index(b"-----BEGIN CERTIFICATE")
    (folder / "certs" / "private.key").write_bytes(whole[:at])
    (folder / "certs" / "public.crt").write_bytes(whole[at:])
    port, console = free_ports(2)
    argv = [str(installed_tools()["minio"]), "server", "--quiet", "--certs-dir", str(folder / "certs")]
    argv += ["--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{console}"]
    env = {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD}
    with _running([*argv, str(folder / "data")], env, port, folder / "minio.log"):
        made = StoreConnection(f"127.0.0.1:{port}", USER, PASSWORD, ca_file=str(authority.ca))
        _make_buckets(made)
        yield made


def _make_buckets(store: StoreConnection) -> None:
    http = urllib3.PoolManager(ca_certs=store.ca_file or None)
    keys = {"access_key": store.access_key, "secret_key": store.secret_key}
    client = Minio(store.endpoint, **keys, secure=store.secure, region=store.region, http_client=http)
    for bucket in BUCKETS:
        name = f"{store.bucket_prefix}{bucket}"
        if not client.bucket_exists(name):
            client.make_bucket(name)


@contextmanager
def _running(argv: Sequence[str], env: dict[str, str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env={**os.environ, **env}, stdout=output, stderr=output)
    listens = Retrying(
        retry=retry_if_result(lambda open_: not open_),
        stop=stop_after_delay(_READY_WITHIN_S),
        wait=wait_fixed(0.2),
    )
    try:
        listens(accepts, port)
        yield
    finally:
        process.terminate()
        process.wait(60)
