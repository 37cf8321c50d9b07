#!/usr/bin/env bash
# hadoop-aws 3.5.0 (pyspark 4.2.0, Java 17) on an S3 server that honours If-None-Match: creating without overwrite
# does not protect a file from another writer.
#
# Two writers open the same new path with create(path, overwrite=false) and close one after the other. Both closes
# succeed and the second one's bytes stay, with fs.s3a.create.conditional.enabled at its default, true, and also
# with fs.s3a.create.performance. Whether the file is there is asked when it is opened (with performance: never), and
# the PUT at the close carries no condition. Only a file from the builder with the option
# fs.option.create.conditional.overwrite is refused at the close, and the first one's bytes stay.
#
# Seen: plain: [b'second', 'both closed']; performance: the same; builder: [b'first', 'RemoteFileChangedException'].
set -euo pipefail
dir=$(mktemp -d); trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q pyspark==4.2.0 'moto[server]==5.2.5' boto3==1.44.8
port=$("$dir/venv/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$dir/venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$dir/server" 2>&1 & server=$!
cat > "$dir/try.py" <<'PY'
import sys
import time
import urllib.request

import boto3
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

url, ivy = f"http://127.0.0.1:{sys.argv[1]}", sys.argv[2]
for _ in range(300):
    try:
        urllib.request.urlopen(url).close()
        break
    except OSError:
        time.sleep(0.1)
login = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
store = boto3.client("s3", endpoint_url=url, **login)
store.create_bucket(Bucket="things")
s3a = {"endpoint": url, "endpoint.region": "us-east-1", "path.style.access": "true", "access.key": "a",
       "secret.key": "b", "input.stream.type": "classic", "connection.ssl.enabled": "false"}
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
builder = builder.config("spark.log.level", "OFF").config("spark.jars.ivy", ivy)
aws = ",".join(f"software.amazon.awssdk:{name}:2.35.4" for name in ("s3", "s3-transfer-manager", "sts"))
builder = builder.config("spark.jars.packages", f"org.apache.hadoop:hadoop-aws:3.5.0,{aws}")
builder = builder.config("spark.jars.excludes", "software.amazon.awssdk:bundle")
for name, value in s3a.items():
    builder = builder.config(f"spark.hadoop.fs.s3a.{name}", value)
spark = builder.getOrCreate()
java = spark._jvm


def two(way, create):
    conf = java.org.apache.hadoop.conf.Configuration(spark._jsc.hadoopConfiguration())
    conf.set("fs.s3a.create.performance", str(way == "performance").lower())
    path = java.org.apache.hadoop.fs.Path(f"s3a://things/{way}/file")
    files = java.org.apache.hadoop.fs.FileSystem.newInstance(path.toUri(), conf)
    streams = [create(files, path) for _ in range(2)]
    closed = "both closed"
    for stream, data in zip(streams, (b"first", b"second")):
        stream.write(data)
        try:
            stream.close()
        except Py4JJavaError as error:
            closed = error.java_exception.getClass().getSimpleName()
    found = [store.get_object(Bucket="things", Key=f"{way}/file")["Body"].read(), closed]
    print(f"{way}: {found}")
    return found


def conditional(files, path):
    return files.createFile(path).recursive().must("fs.option.create.conditional.overwrite", True).build()


for way in ("plain", "performance"):
    assert two(way, lambda files, path: files.create(path, False)) == [b"second", "both closed"]
assert two("builder", conditional) == [b"first", "RemoteFileChangedException"]
PY
"$dir/venv/bin/python" "$dir/try.py" "$port" "$dir/ivy" 2>"$dir/err" || { tail -20 "$dir/err"; exit 1; }
