"""One attempt of one notebook task: from the assignment to its outcome."""

from __future__ import annotations

import asyncio
import base64
import posixpath
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import secret_values
from .. import workspace_objects as objects
from ..context import Workspace
from ..errors import ApiError, invalid
from ..runner.pool import Output, Runner, RunnerDied, RunnerPool
from ..spark_sessions import SessionPlan, interrupt, owner_of_runs, plan_session
from ..store import Document
from . import environments
from .references import UnknownReference, resolve

FAILED_MESSAGE = "Workload failed, see run output for details"


@dataclass
class Outcome:
    """life_cycle TERMINATED or INTERNAL_ERROR; output as runs/get-output answers it."""

    life_cycle: str
    result: str
    message: str
    output: Document
    code: str | None = None


def _internal(message: str, code: str, output: Document | None = None) -> Outcome:
    return Outcome("INTERNAL_ERROR", "FAILED", message, output or {"error": message}, code)


class Attempt:
    """Cancel it by cancelling the asyncio task that runs it: process and Spark operations end with it."""

    def __init__(self, here: Workspace, pool: RunnerPool, run: Document, task: Document) -> None:
        self._here = here
        self._pool = pool
        self._run = run
        self._task = task
        self._settings: Document = run["_settings"]
        self._principal = owner_of_runs(self._settings)
        self._runner: Runner | None = None
        self._session: str | None = None
        self._host: str | None = None
        self._lost: str | None = None

    @property
    def _user(self) -> str:
        return f"run-{self._task['run_id']}"

    @property
    def output(self) -> Output:
        """What was written so far."""
        return self._runner.output if self._runner else Output()

    def lose_spark(self) -> None:
        """Ends the attempt: the Spark host died under it, and its next start knows nothing of the session."""
        self._lost = "The Spark host of the sandbox died during the run"
        if self._runner:
            self._runner.kill()

    async def execute(self) -> Outcome:
        """Runs it to its end."""
        path = objects.tree_path(self._task["notebook_task"]["notebook_path"])
        try:
            source = self._source(path)
            parameters = self._parameters()
            notes = environments.check(environments.wanted(self._settings, self._task))
        except ApiError as error:
            return _internal(error.message, "RESOURCE_NOT_FOUND")
        except UnknownReference as error:
            return _internal(str(error), "INVALID_RUN_CONFIGURATION")
        except environments.PackageMissing as error:
            return _internal(f"Library installation failed: {error}", "LIBRARY_INSTALLATION_ERROR")
        plan = await asyncio.to_thread(plan_session, self._here, self._principal)
        self._host = self._here.spark.url
        if self._host is None:
            return _internal(
                "Could not reach driver of cluster: the sandbox's Spark host is down.", "DRIVER_ERROR"
            )
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._here.options.state_dir / "runs"))
        try:
            await asyncio.to_thread(objects.materialize, self._here, posixpath.dirname(path), folder)
            self._runner = await self._pool.take()
            return await self._supervise(self._assignment(path, source, parameters, plan, notes, folder))
        finally:
            await self._end()
            shutil.rmtree(folder, ignore_errors=True)

    async def _supervise(self, assignment: dict[str, Any]) -> Outcome:
        assert self._runner
        try:
            told = await self._runner.run(assignment, self._answer)
        except RunnerDied as error:
            message = self._lost or str(error)
            return _internal(message, "DRIVER_ERROR", self._told({"error": message}))
        self._session = None  # the notebook's process released it
        if told["state"] == "success":
            output = {"result": told["result"], "truncated": bool(told.get("truncated"))}
            return Outcome("TERMINATED", "SUCCESS", "", self._told({"notebook_output": output}))
        told_error = {"error": told["error"], "error_trace": told["trace"]}
        return Outcome("TERMINATED", "FAILED", FAILED_MESSAGE, self._told(told_error))

    def _told(self, output: Document) -> Document:
        text = self.output.text
        return output | {"logs": text, "logs_truncated": self.output.truncated}

    def _source(self, path: str) -> str:
        document = self._here.store.get("object", path)
        if (document or {}).get("object_type") != "NOTEBOOK" or not objects.readable_by(
            self._here, path, self._principal
        ):
            raise invalid(
                f'Unable to access the notebook "{path}". Either it does not exist, or the identity used to '
                f"run this job, {self._principal}, lacks the required permissions."
            )
        assert document
        if document["language"] != "PYTHON":
            raise invalid(f'The sandbox runs Python notebooks; "{path}" is {document["language"]}')
        return objects.content_file(self._here, document).read_text()

    def _parameters(self) -> dict[str, str]:
        """Task parameters, then the job's: on Databricks a job parameter wins over a task's of the same
        name.
        """
        given = dict(self._task["notebook_task"].get("base_parameters") or {})
        given |= (self._run.get("overriding_parameters") or {}).get("notebook_params") or {}
        given |= {
            one["name"]: one.get("value", one["default"]) for one in self._run.get("job_parameters") or []
        }
        return {
            key: resolve(str(value), self._run, self._task, self._task_value) for key, value in given.items()
        }

    def _task_value(self, task: str, key: str) -> list[Any]:
        values = self._run.setdefault("_values", {}).get(task, {})
        return [values[key]] if key in values else []

    def _assignment(
        self,
        path: str,
        source: str,
        parameters: dict[str, str],
        plan: SessionPlan,
        notes: list[str],
        folder: Path,
    ) -> dict[str, Any]:
        self._session = str(uuid.uuid4())
        volumes = {f"/Volumes/{one['full_name'].replace('.', '/')}" for one in self._here.store.all("volume")}
        return {
            "path": path,
            "source": source,
            "cwd": str(folder),
            "parameters": parameters,
            "spark": self._url(),
            "conf": plan.conf,
            "volumes": plan.volumes,
            "writable": plan.writable,
            "hidden": sorted(volumes - set(plan.volumes)),
            "notes": notes + plan.notes,
            "aws": {"endpoint": self._here.options.data_endpoint, "region": self._here.options.aws_region},
        }

    def _url(self) -> str:
        return f"{self._host}/;session_id={self._session};user_id={self._user}"

    async def _answer(self, message: dict[str, Any]) -> Any:
        question = message["ask"]
        if question == "secret":
            value = secret_values.read(self._here, message["scope"], message["key"], self._principal)
            assert self._runner
            encoded = base64.b64encode(value).decode()
            self._runner.output.secrets |= {
                one for one in (value.decode(errors="ignore").strip(), encoded) if one
            }
            return encoded
        if question == "secretKeys":
            scope = secret_values.require_scope(self._here, message["scope"])
            return sorted(scope["secrets"]) if secret_values.may(scope, self._principal, "READ") else []
        if question == "secretScopes":
            scopes = self._here.store.all("scope")
            return [one["name"] for one in scopes if secret_values.may(one, self._principal, "READ")]
        if question == "notebook":
            return self._source(objects.tree_path(message["path"]))
        if question == "setTaskValue":
            mine = self._run.setdefault("_values", {}).setdefault(self._task["task_key"], {})
            mine[message["key"]] = message["value"]
            return None
        if question == "getTaskValue":
            return self._task_value(message["task"], message["key"])
        raise invalid(f"unknown question {question}")

    async def _end(self) -> None:
        """Ends the process, and what its session still does on the Spark host."""
        if self._runner:
            await self._runner.close()
        if self._session and self._here.spark.url == self._host:
            self._here.spark.cancel(self._user)
            await asyncio.to_thread(interrupt, self._url())
