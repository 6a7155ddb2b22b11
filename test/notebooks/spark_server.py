"""A local Spark Connect server with Delta: `python spark_server.py <port> <folder>`; lives until its stdin closes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

DELTA = "io.delta:delta-spark_4.1_2.13:4.4.0"


def main(port: str, folder: str) -> None:
    builder = SparkSession.builder.master("local[2]").appName("headwater-tests")
    jars = os.environ.get("HEADWATER_SPARK_JARS")
    if jars:
        builder.config("spark.jars", ",".join(str(jar) for jar in sorted(Path(jars).glob("*.jar"))))
    else:
        builder.config("spark.jars.packages", DELTA)
    settings = {
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.port": port,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.local.dir": f"{folder}/local",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.databricks.delta.snapshotPartitions": "1",
        # Small tables and a short life: planning and compiling would cost more than the work itself.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.driver.extraJavaOptions": f"-XX:+UseSerialGC -XX:-UsePerfData -Djava.io.tmpdir={folder}",
        # Not UTC, so that a test sees where a session's zone would matter.
        "spark.sql.session.timeZone": "America/St_Johns",
        # Where the zone is not UTC, Delta reads a log anew after each commit to see whether its checksum is right.
        "spark.databricks.delta.allFilesInCrc.verificationMode.forceOnNonUTC.enabled": "false",
    }
    for key, value in settings.items():
        builder.config(key, value)
    spark = builder.getOrCreate()
    print("ready", flush=True)
    sys.stdin.read()
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
