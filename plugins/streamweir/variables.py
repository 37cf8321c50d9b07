"""The environment variables that Streamweir is set by, each declared once: docs/settings.md is made of it.

Ports, sizes and folders of the embedded stack are fields of `streamweir.settings.Settings`.
"""

import os
from collections.abc import Mapping
from typing import Self

PREFIX = "STREAMWEIR_"


class Variable(str):
    """The name of a variable; of several like it, one for each `rest`, the beginning of their names.

    meaning: what it says, for people. read_by: which programs look at it. default: what holds where it is not
    set, or empty; none where there is none.
    """

    meaning: str
    read_by: str
    default: str
    rest: str

    def __new__(cls, name: str, meaning: str, *, read_by: str, default: str = "", rest: str = "") -> Self:
        made = super().__new__(cls, f"{PREFIX}{name}")
        made.meaning, made.read_by, made.default, made.rest = meaning, read_by, default, rest
        return made

    def of(self, env: Mapping[str, str] = os.environ) -> str:
        """What the environment says, else the default."""
        return env.get(self) or self.default


_PROGRAMS = "programs outside Airflow, scorers and child processes of tasks"
_DAGS = "the DAG files"

KAFKA_BOOTSTRAP = Variable(
    "KAFKA_BOOTSTRAP", "Kafka's bootstrap servers, `host:port`, separated by commas.", read_by=_PROGRAMS
)
KAFKA_SECURITY = Variable(
    "KAFKA_SECURITY",
    "Kafka's security as a JSON object, in kafka-python's words: `security_protocol`, `sasl_mechanism`, …",
    read_by=_PROGRAMS,
    default="{}",
)
STORE_ENDPOINT = Variable("STORE_ENDPOINT", "MinIO or S3, `host:port` without a scheme.", read_by=_PROGRAMS)
STORE_ACCESS_KEY = Variable("STORE_ACCESS_KEY", "The account there.", read_by=_PROGRAMS)
STORE_SECRET_KEY = Variable("STORE_SECRET_KEY", "The account's secret.", read_by=_PROGRAMS)
STORE_SECURE = Variable("STORE_SECURE", "`true` for https.", read_by=_PROGRAMS, default="true")
STORE_REGION = Variable(
    "STORE_REGION", "The buckets' region.", read_by=f"{_PROGRAMS}; `make up`", default="us-east-1"
)
STORE_BUCKET_PREFIX = Variable(
    "STORE_BUCKET_PREFIX",
    "What the names of the four buckets begin with.",
    read_by=f"{_PROGRAMS}; `make up`",
    default="streamweir-",
)
CA_FILE = Variable(
    "CA_FILE",
    "A PEM file with the certificates of the authorities that all clients trust, in place of the system's: "
    "those of Kafka, of the object store, and Java's.",
    read_by=f"{_PROGRAMS}; Airflow's processes",
)
DATABASE_URL = Variable(
    "DATABASE_URL",
    "The PostgreSQL database of stages that write rows there, `postgresql://user:password@host/name`.",
    read_by="scorers of such stages",
)
SPARK_MASTER = Variable(
    "SPARK_MASTER", "Spark's master.", read_by=f"{_PROGRAMS}; `make up`", default="local[4]"
)
SPARK_CONF = Variable(
    "SPARK_CONF", "More Spark properties, as a JSON object.", read_by=_PROGRAMS, default="{}"
)

SCHEDULE = Variable(
    "SCHEDULE_",
    "When a pipeline's DAG, or its training, starts by itself: cron, `@daily` and the like, or for a "
    "pipeline `champion`: whenever there is a new one. Without it a DAG runs when it is triggered.",
    read_by=_DAGS,
    rest="<DAG>",
)
WARN_REJECTED_SHARE = Variable(
    "WARN_REJECTED_SHARE",
    "The default of the param `warn_rejected_share`: a run of which a larger share of a topic's rows was "
    "rejected ends with the outcome `warning`.",
    read_by=_DAGS,
    default="0.05",
)
RETENTION_DAYS = Variable(
    "RETENTION_DAYS",
    "After how many days isolated streams, and records of named ones, are deleted.",
    read_by="the DAG `retire_streams`",
    default="7",
)
RETENTION_AIRFLOW_DAYS = Variable(
    "RETENTION_AIRFLOW_DAYS",
    "After how many days Airflow's own records and logs are deleted.",
    read_by="the DAG `clean_airflow`",
    default="30",
)
MODEL_AGAIN_ROWS = Variable(
    "MODEL_AGAIN_ROWS",
    "How many rows of a run its model scores a second time at most; above it a seeded sample.",
    read_by="the task `validate`",
    default="200000",
)
CLAIM_BYTES = Variable(
    "CLAIM_BYTES",
    "How many bytes an object may have that a message names in place of its rows.",
    read_by="scorers, `validate`",
    default=str(64 * 1024 * 1024),
)
FIXED_TOPIC = Variable(
    "TOPIC_",
    "A name for an output topic that all streams of the pipeline share, by the pipeline's word and the "
    "topic's short name; without it each stream has a topic of its own.",
    read_by=f"{_DAGS}, scorers",
    rest="<PIPELINE>_<TOPIC>",
)

SPARK_JARS = Variable(
    "SPARK_JARS",
    "The folder of Spark's connector jars; `make setup` fetches them.",
    read_by="the tasks that start Spark",
)
SPARK_CLASSES = Variable(
    "SPARK_CLASSES",
    "The folder of Spark's jars and the archive of a driver's classes; a local driver starts slower without.",
    read_by="the tasks that start Spark",
)
WORK = Variable(
    "WORK",
    "The folder for what tasks download and for scorers' logs; without it one of the user's own among the "
    "temporary files.",
    read_by="tasks, scorers, `streamweir`",
)
TRACEBACK = Variable(
    "TRACEBACK", "`1`: a failure is shown with its traceback.", read_by="all programs of the command line"
)
CACHE = Variable(
    "CACHE",
    "The folder for downloads and built programs; without it `streamweir` in `XDG_CACHE_HOME`, else "
    "`~/.cache/streamweir`.",
    read_by="`make setup`",
)
IVY_SETTINGS = Variable(
    "IVY_SETTINGS", "An Ivy settings file, where jars come from another place.", read_by="`make setup`"
)

STACK = Variable(
    "STACK", "The state folder of the stack that a process belongs to.", read_by="`make down`, `make status`"
)
STAGE = Variable("STAGE", "The stream, or stage, that a scorer's process works on.", read_by="`make status`")
HOLDER = Variable(
    "HOLDER", "Which scorer a driver's process belongs to.", read_by="its keeper and the keeper's guard"
)
AIRFLOW_URL = Variable("AIRFLOW_URL", "Where Airflow answers; in `var/env`.", read_by="your own scripts")

OWN = (STACK, STAGE, HOLDER, AIRFLOW_URL)
"""Those that Streamweir sets itself; nobody else sets them."""
