"""The Kafka broker as a service: one KRaft node that is broker and controller."""

import base64
import subprocess
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from kafka.errors import KafkaError

from infra.layout import Layout
from infra.ports import accepts
from infra.service import Service
from streamweir.broker.clients import admin
from streamweir.connections import KafkaConnection
from streamweir.errors import StackError
from streamweir.settings import Settings

NAME = "kafka"
_HERE = Path(__file__).parent


def service(settings: Settings, layout: Layout, tools: Mapping[str, Path]) -> Service:
    """The broker, ready when it answers a metadata request."""
    java = [str(tools["java_home"] / "bin" / "java")]
    path = f"{tools['kafka_jars']}/*"
    config = layout.data(NAME) / "server.properties"
    heap = [f"-Xmx{settings.kafka_heap_mb}m", "-Xms64m", "-XX:+UseSerialGC", "-XX:ReservedCodeCacheSize=64m"]
    about = [f"-Dlog4j2.configurationFile={_HERE / 'log4j2.yaml'}", "-Djava.awt.headless=true"]
    return Service(
        name=NAME,
        argv=(*java, *heap, *about, "-cp", path, "kafka.Kafka", str(config)),
        env={},
        ready=lambda: _missing(settings.kafka_port),
        prepare=lambda: _prepare(settings, layout, [*java, *about, "-XX:TieredStopAtLevel=1", "-cp", path]),
        ports={
            settings.variable("kafka_port"): settings.kafka_port,
            settings.variable("kafka_controller_port"): settings.kafka_controller_port,
        },
        stop_seconds=30,
    )


def _prepare(settings: Settings, layout: Layout, java: list[str]) -> None:
    """Write the configuration; format the storage on the first start."""
    folder = layout.data(NAME)
    folder.mkdir(exist_ok=True)
    config = folder / "server.properties"
    data = folder / "data"
    # Properties, not HTML: nothing is to be escaped.
    templates = Environment(loader=PackageLoader("infra.kafka", "."), undefined=StrictUndefined)  # noqa: S701
    config.write_text(
        templates.get_template("server.properties.j2").render(
            port=settings.kafka_port, controller_port=settings.kafka_controller_port, data=data
        )
    )
    if (data / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # In one word: an id that begins with a dash would be taken for another option.
    argv = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", str(config)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"Kafka's storage in {data} could not be formatted: {done.stderr.strip()[-500:]}")


def _missing(port: int) -> str | None:
    if not accepts(port):
        return "it does not listen yet"
    try:
        with closing(admin(KafkaConnection(f"127.0.0.1:{port}"))) as client:
            client.list_topics()
    except KafkaError as error:
        return f"it does not answer a metadata request ({type(error).__name__})"
    return None
