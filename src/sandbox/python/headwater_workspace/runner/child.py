"""A run's process: `python -m headwater_workspace.runner.child <socket>`.

It starts before it is needed, imports Spark's client, and waits for its one assignment on the socket.
"""

from __future__ import annotations

import builtins
import linecache
import logging
import os
import sys
import traceback
from typing import Any

from ..aws import Aws
from ..volume_files import NotAllowed, NotFound, VolumeFiles
from .channel import Channel, WorkspaceError
from .dbutils import DbUtils, NotebookExit
from .notebook import UnsupportedMagic, cells

_MAX_RESULT = 5 * 1024 * 1024  # Databricks: dbutils.notebook.exit values up to 5 MB


def _import_spark() -> Any:
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    import pandas  # noqa: F401 - imported now so that the first toPandas() is not slow
    from pyspark.logger import PySparkLogger
    from pyspark.sql.connect.session import SparkSession

    # pyspark writes every analysis error to stderr as JSON as well as raising it; Databricks' notebooks do
    # not.
    PySparkLogger.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    return SparkSession


class Notebook:
    """The globals of a run and what runs its cells."""

    def __init__(self, channel: Channel, assignment: dict[str, Any], spark: Any) -> None:
        self._channel = channel
        aws = Aws(assignment["aws"]["endpoint"], assignment["aws"]["region"])
        volumes: dict[str, str] = assignment["volumes"]
        writable = set(assignment["writable"])

        def locate(volume: str, write: bool) -> str:
            name = volume.removeprefix("/Volumes/").replace("/", ".")
            if volume not in volumes:
                if volume in assignment["hidden"]:
                    raise NotAllowed(f"User does not have READ VOLUME on Volume '{name}'.")
                raise NotFound(f"Volume '{name}' does not exist.")
            if write and volume not in writable:
                raise NotAllowed(f"User does not have WRITE VOLUME on Volume '{name}'.")
            return volumes[volume]

        self.dbutils = DbUtils(channel, VolumeFiles(aws.s3, locate), assignment["parameters"])
        self.globals: dict[str, Any] = {
            "__name__": "__main__",
            "__builtins__": builtins,
            "spark": spark,
            "dbutils": self.dbutils,
            "display": _display,
            "sql": spark.sql,
            "getArgument": self.dbutils.widgets.getArgument,
        }

    def run(self, path: str, source: str) -> None:
        """Runs every cell, in these globals; `%run` brings another notebook's in."""
        for number, cell in enumerate(cells(source), 1):
            if cell.kind == "run":
                self._run_other(path, cell.text)
                continue
            if cell.kind == "sql":
                _display(self.globals["spark"].sql(cell.text))
                continue
            name = f"{path} (cell {number})"
            linecache.cache[name] = (len(cell.text), None, cell.text.splitlines(True), name)
            exec(compile(cell.text, name, "exec"), self.globals)  # noqa: S102 - running notebooks is its job

    def _run_other(self, path: str, target: str) -> None:
        if " " in target:
            raise UnsupportedMagic(f"the sandbox's %run takes a path and no parameters: {target}")
        if not target.startswith("/"):
            target = os.path.normpath(os.path.join(os.path.dirname(path), target))
        try:
            source = self._channel.ask("notebook", path=target)
        except WorkspaceError as error:
            raise FileNotFoundError(str(error)) from error
        self.run(target, source)


def _display(value: Any = None, *_rest: Any, **_options: Any) -> None:
    if hasattr(value, "show") and hasattr(value, "schema"):
        value.show(1000, truncate=False)
    else:
        print(value)


def _failure(error: BaseException) -> dict[str, Any]:
    """The error as Databricks reports it: `Type: message`, and the trace from the notebook's own frames
    on.
    """
    summary = traceback.TracebackException.from_exception(error)
    own = [
        position
        for position, frame in enumerate(summary.stack)
        if not frame.filename.startswith(os.path.dirname(os.path.dirname(__file__)))
    ]
    del summary.stack[: own[0] if own else len(summary.stack)]
    message = "".join(traceback.format_exception_only(error)).strip()
    if not isinstance(error, SyntaxError):
        message = f"{type(error).__name__}: {error}"
    return {"error": message, "trace": "".join(summary.format())}


def main() -> None:
    """Waits, runs, reports, ends."""
    channel = Channel(int(sys.argv[1]))
    session_class = _import_spark()
    assignment = channel.receive()
    os.chdir(assignment["cwd"])
    sys.path.insert(0, assignment["cwd"])
    sys.argv = [assignment["path"]]
    os.environ["SPARK_REMOTE"] = assignment["spark"]
    for note in assignment["notes"]:
        print(f"[workspace] {note}", flush=True)
    spark = None
    outcome: dict[str, Any]
    try:
        spark = session_class.builder.remote(assignment["spark"]).config(map=assignment["conf"]).create()
        notebook = Notebook(channel, assignment, spark)
        try:
            notebook.run(assignment["path"], assignment["source"])
            outcome = {"state": "success", "result": None}
        except NotebookExit as ended:
            result = str(ended)
            outcome = {
                "state": "success",
                "result": result[:_MAX_RESULT],
                "truncated": len(result) > _MAX_RESULT,
            }
    except BaseException as error:  # noqa: BLE001 - whatever a notebook raises is its outcome
        outcome = {"state": "failed", **_failure(error)}
        print(outcome["trace"], file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    channel.tell({"finished": outcome})
    channel.receive()  # the workspace has read the output
    if spark is not None:
        try:
            spark.stop()
        except Exception:  # noqa: BLE001 - the host may be gone; the outcome is told already
            os._exit(0)
    os._exit(0)


if __name__ == "__main__":
    main()
