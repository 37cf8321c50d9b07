"""The settings of the embedded stack, read once at an entry point and then passed on as a value.

Each is an environment variable `STREAMWEIR_<NAME>` or a line in `var/settings.env`; the environment wins.
"""

import os
from pathlib import Path
from typing import Self

from dotenv import dotenv_values
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from streamweir.errors import BadConfiguration
from streamweir.variables import PREFIX, SPARK_MASTER, STORE_BUCKET_PREFIX, STORE_REGION

CHECKOUT = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """Ports, sizes and folders of the embedded stack."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, use_attribute_docstrings=True
    )

    var: Path = CHECKOUT / "var"
    """The folder of all state: data, logs, secrets. Two stacks need two folders and other ports."""

    kafka_port: int = Field(19092, gt=0, lt=65536)
    """Kafka's port, for clients."""
    kafka_controller_port: int = Field(19093, gt=0, lt=65536)
    """Kafka's port for itself."""
    minio_port: int = Field(19000, gt=0, lt=65536)
    """MinIO's port."""
    minio_console_port: int = Field(19001, gt=0, lt=65536)
    """The port of MinIO's console."""
    airflow_port: int = Field(18080, gt=0, lt=65536)
    """The port of Airflow's UI and API."""

    kafka_heap_mb: int = Field(384, ge=128)
    """Kafka's heap in MiB."""
    airflow_parallelism: int = Field(4, ge=1)
    """How many tasks run at the same time; each holds a process of about 130 MB."""

    store_bucket_prefix: str = STORE_BUCKET_PREFIX.default
    store_region: str = STORE_REGION.default
    spark_master: str = SPARK_MASTER.default

    ready_timeout_s: float = Field(240, gt=0)
    """How long `make up` waits for one service before it says that it failed."""

    @classmethod
    def load(cls, **values: object) -> Self:
        """Read the environment and `settings.env` in the state folder; `values` win over both.

        Raises BadConfiguration with the name and the fault of each wrong setting.
        """
        var = Path(str(values.get("var") or os.environ.get(f"{PREFIX}VAR") or CHECKOUT / "var")).absolute()
        try:
            return cls(_env_file=var / "settings.env", **{**values, "var": var})  # type: ignore
        except ValidationError as error:
            faults = "; ".join(
                f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()
            )
            raise BadConfiguration(f"wrong settings: {faults}") from error

    def environment(self) -> dict[str, str]:
        """All `STREAMWEIR_` variables of the environment and of `settings.env`, also those of other rooms."""
        return self._starting_with(PREFIX)

    def airflow_environment(self) -> dict[str, str]:
        """What the user sets for Airflow itself: its options, and connections to servers elsewhere."""
        return self._starting_with("AIRFLOW_")

    def _starting_with(self, prefix: str) -> dict[str, str]:
        from_file = {key: value for key, value in dotenv_values(self.var / "settings.env").items() if value}
        return {key: value for key, value in {**from_file, **os.environ}.items() if key.startswith(prefix)}

    @property
    def airflow_url(self) -> str:
        """Where Airflow's UI and API answer."""
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def minio_console_url(self) -> str:
        """Where MinIO's console answers."""
        return f"http://127.0.0.1:{self.minio_console_port}"

    def variable(self, field: str) -> str:
        """The name of the environment variable of a setting."""
        return f"{PREFIX}{field.upper()}"
