# Executors: Spark's own image has the entry point that Kubernetes starts, this one the Python that tasks need.
# Versions as in pyproject.toml and requirements.lock; Python of the driver's minor version.
FROM apache/spark:4.2.0 AS spark

FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends openjdk-17-jre-headless procps tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=spark /opt/spark /opt/spark
COPY --from=spark /opt/entrypoint.sh /opt/decom.sh /opt/
# The native wheels that streamweir/scorer/package.py lists.
RUN pip install --no-cache-dir numpy==2.4.6 orjson==3.13.0 pandas==2.3.3 pyarrow==26.0.1 \
    argon2-cffi pycryptodome
ENV SPARK_HOME=/opt/spark JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64 PYSPARK_PYTHON=/usr/local/bin/python3
WORKDIR /opt/spark/work-dir
RUN useradd --uid 185 spark && chown spark /opt/spark/work-dir
USER 185
ENTRYPOINT ["/opt/entrypoint.sh"]
