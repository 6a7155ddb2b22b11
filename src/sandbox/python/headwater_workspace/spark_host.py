"""Starts and watches the one Spark Connect server of the sandbox."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from .aws import Aws
from .java import find_java, pyspark_jars
from .options import Options

logger = logging.getLogger("headwater.spark")

# What org.apache.spark.launcher.JavaModuleOptions of Spark 4.1 passes to every JVM.
_MODULES = [
    "-XX:+IgnoreUnrecognizedVMOptions",
    "--add-modules=jdk.incubator.vector",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in [
            "java.lang",
            "java.lang.invoke",
            "java.lang.reflect",
            "java.io",
            "java.net",
            "java.nio",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "jdk.internal.ref",
            "sun.nio.ch",
            "sun.nio.cs",
            "sun.security.action",
            "sun.util.calendar",
        ]
    ),
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dio.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE",
    "--enable-native-access=ALL-UNNAMED",
]
# A sandbox's life is minutes of short work, so what the JVM costs is compiling. The second compiler pays
# off (a demo of three environments took 4:30 with the first alone, 3:15 with both), more so (2:55) when it
# compiles only what is hot indeed, and with less ado. The collector is the one without threads of its own.
_FLAGS = [
    "-Xmx2g",
    "-Xmn400m",
    "-Xss4m",
    "-XX:+UseSerialGC",
    "-XX:Tier4InvocationThreshold=15000",
    "-XX:Tier4MinInvocationThreshold=2400",
    "-XX:Tier4CompileThreshold=40000",
    "-XX:MaxInlineLevel=6",
    "-XX:MaxInlineSize=20",
    "-XX:FreqInlineSize=80",
    "-XX:-DoEscapeAnalysis",
    "-XX:-UseLoopPredicate",
    "-XX:-UseSuperWord",
]
CLASS_ARCHIVE = "classes.jsa"
_START_TIMEOUT = 120.0
_LOG_TAIL = 40


class SparkHostError(Exception):
    """The Spark host could not start; the message holds the end of its log."""


def _configuration(options: Options, folder: Path) -> dict[str, str]:
    aws = Aws(options.aws_endpoint, options.aws_region)
    return {
        "spark.master": "local[2]",
        "spark.app.name": "headwater-sandbox",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": f"file:{folder / 'warehouse'}",
        "spark.sql.shuffle.partitions": "2",
        # Small data: planning again and compiling Java for each query cost more than they save (in the demo a
        # quarter of the JVM's CPU time).
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        "spark.databricks.delta.snapshotPartitions": "1",
        # Nobody looks at plans here, and writing them out was a twentieth of the CPU time.
        "spark.sql.ui.explainMode": "simple",
        # Nobody adds jars to a session either: no class loaders of each session's own.
        "spark.sql.artifact.isolation.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,headwater.sandbox.SandboxExtensions",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.sources.default": "delta",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.sql.connect.serverStacktrace.enabled": "false",
        # dbfs: is the default file system, as on Databricks; it shows volumes (links set by each session) and
        # nothing of S3 else. Its instances are not cached, as the links differ; what they link to is.
        "spark.hadoop.fs.defaultFS": "dbfs:///",
        "spark.hadoop.fs.dbfs.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "spark.hadoop.fs.dbfs.impl.disable.cache": "true",
        "spark.hadoop.fs.viewfs.enable.inner.cache": "false",
        "spark.hadoop.fs.viewfs.mounttable.default.linkFallback": f"file:{folder / 'dbfs'}",
        "spark.hadoop.hadoop.tmp.dir": str(folder / "tmp"),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": options.data_endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": options.aws_region,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": str(options.data_endpoint.startswith("https:")).lower(),
        "spark.hadoop.fs.s3a.access.key": aws.access_key,
        "spark.hadoop.fs.s3a.secret.key": aws.secret_key,
        # No looking first whether a new file's name is a folder's: nobody does that here.
        "spark.hadoop.fs.s3a.performance.flags": "create,mkdir",
        **options.spark_conf,
    }


def _environment() -> dict[str, str]:
    """Python UDFs run with this Python, and inherit the environment: nobody's credentials belong there."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "DATABRICKS_", "PULUMI_"))
    }
    return kept | {"PYSPARK_PYTHON": sys.executable}


class SparkHost:
    """One JVM. `url` is None while there is none; `on_ready` is called after every start, `on_death` when it
    ended without being asked to.
    """

    def __init__(
        self,
        options: Options,
        on_ready: Callable[[], None],
        on_death: Callable[[], None],
        flags: Sequence[str] = (),
    ) -> None:
        self._options = options
        self._flags = list(flags)
        self._folder = options.state_dir / "spark"
        self._on_ready = on_ready
        self._on_death = on_death
        self._process: asyncio.subprocess.Process | None = None
        self._tail: deque[str] = deque(maxlen=_LOG_TAIL)
        self._restarted = False
        self._stopping = False
        self._watch: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self.url: str | None = None

    @property
    def pid(self) -> int | None:
        """The JVM's process id."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Returns when the server answers on its port. Raises SparkHostError, JavaMissing."""
        if not (self._options.spark_jars / "headwater-sandbox.jar").is_file():
            raise SparkHostError(
                f"no jars in {self._options.spark_jars}: "
                "run `python -m headwater_workspace.jars <folder>` first"
            )
        await self._launch()
        self._watch = asyncio.create_task(self._watch_jvm())

    def cancel(self, user: str) -> None:
        """Ends the jobs of a Connect user (`user_id` of its session), those it has and those to come."""
        if self._process and self._process.returncode is None and self._process.stdin:
            self._process.stdin.write(f"cancel {user}\n".encode())

    async def stop(self, seconds: float = 5) -> None:
        """Ends the JVM: by the end of its standard input, else by force after the given time."""
        self._stopping = True
        self.url = None
        if self._watch:
            self._watch.cancel()
        process = self._process
        if process and process.returncode is None:
            assert process.stdin
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), seconds)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._reader:
            await self._reader

    async def _launch(self) -> None:
        for name in ("warehouse", "catalog", "dbfs", "tmp"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._folder / "local", ignore_errors=True)
        archive = self._options.spark_jars / CLASS_ARCHIVE
        arguments = [*_FLAGS, *_MODULES, f"-Dderby.system.home={self._folder}"]
        # What the JVM leaves in its temporary folder goes with the sandbox's.
        arguments += [f"-Djava.io.tmpdir={self._folder / 'tmp'}", "-XX:-UsePerfData"]
        if not self._flags and archive.is_file():
            # Ignored by a JVM other than the one that wrote it.
            arguments += [
                f"-XX:SharedArchiveFile={archive}",
                "-Xshare:auto",
                "-Xlog:cds=off",
                "-Xlog:cds+dynamic=off",
            ]
        arguments += [*self._flags, *self._options.java_options]
        arguments += [
            f"-D{key}={value}" for key, value in _configuration(self._options, self._folder).items()
        ]
        file = self._folder / "jvm.args"
        file.write_text("\n".join('"' + a.replace("\\", "\\\\").replace('"', '\\"') + '"' for a in arguments))
        self._process = process = await asyncio.create_subprocess_exec(
            str(find_java()),
            f"@{file}",
            "-cp",
            f"{self._options.spark_jars}/*:{pyspark_jars()}/*",
            "headwater.sandbox.SparkHost",
            str(self._folder / "catalog"),
            cwd=self._folder,
            env=_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(process, ready))
        try:
            port = await asyncio.wait_for(ready, _START_TIMEOUT)
        except TimeoutError as error:
            process.kill()
            raise SparkHostError(self._failure(f"did not start within {_START_TIMEOUT:.0f} s")) from error
        self.url = f"sc://127.0.0.1:{port}"
        self._on_ready()

    async def _read(self, process: asyncio.subprocess.Process, ready: asyncio.Future[int]) -> None:
        assert process.stdout
        with (self._folder / "spark.log").open("a") as log:
            while True:
                try:
                    raw = await process.stdout.readline()
                except ValueError:
                    continue  # a line longer than the stream's limit; it was dropped, the next ones are read
                if not raw:
                    break
                line = raw.decode(errors="replace")
                log.write(line)
                log.flush()
                self._tail.append(line)
                if line.startswith("ready ") and not ready.done():
                    ready.set_result(int(line.split()[1]))
        await process.wait()
        if not ready.done():
            ready.set_exception(SparkHostError(self._failure(f"ended with code {process.returncode}")))

    def _failure(self, what: str) -> str:
        return f"the Spark host {what}. The end of {self._folder / 'spark.log'}:\n{''.join(self._tail)}"

    async def _watch_jvm(self) -> None:
        while True:
            assert self._process
            code = await self._process.wait()
            if self._stopping:
                return
            self.url = None
            self._on_death()
            if self._restarted:
                logger.error(
                    "%s It was restarted once already and stays down.", self._failure(f"died ({code})")
                )
                return
            self._restarted = True
            logger.error("%s Restarting it once; runs fail meanwhile.", self._failure(f"died ({code})"))
            try:
                await self._launch()
                logger.error("the Spark host is back at %s", self.url)
            except (SparkHostError, OSError) as error:
                logger.error("the Spark host could not be restarted: %s", error)
                return
