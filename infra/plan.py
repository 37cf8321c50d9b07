"""What a stack consists of: its services, and the environments to run and to reach them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra import environment, minio, postgres
from infra.airflow import server as airflow
from infra.bootstrap import stamp
from infra.kafka import server as kafka
from infra.layout import Layout
from infra.secrets import Secrets
from infra.service import Service
from streamweir.errors import StackError
from streamweir.settings import CHECKOUT, Settings


@dataclass(frozen=True)
class Plan:
    """The services in the order of their needs, what each gets in its environment, and what a shell gets."""

    services: Sequence[Service]
    env: Mapping[str, str] = field(repr=False)
    shell: Mapping[str, str] = field(repr=False)

    @property
    def names(self) -> set[str]:
        """The services' names."""
        return {service.name for service in self.services}


Planner = Callable[[Settings, Layout], Plan]


def embedded(settings: Settings, layout: Layout) -> Plan:
    """Kafka, MinIO, PostgreSQL and Airflow; generates the secrets when there are none yet.

    Raises StackError when set-up is missing or out of date.
    """
    tools = installed_tools()
    secrets = Secrets.load_or_generate(layout.secrets)
    env = environment.common(settings, layout, tools)
    services = (
        kafka.service(settings, layout, tools),
        minio.service(settings, layout, tools, secrets),
        postgres.service(layout),
        *airflow.services(settings, layout, secrets, env),
    )
    return Plan(services, env, environment.shell(settings, layout, tools, secrets))


def installed_tools() -> dict[str, Path]:
    """Where `make setup` put its tools, see `stamp.tools`; raises StackError before it has run."""
    if not stamp.is_current(CHECKOUT):
        raise StackError("set-up is missing or out of date: run `make setup`")
    return stamp.tools(CHECKOUT)
