"""Dynamic value references in task parameters: {{job.id}}, {{job.parameters.x}}, {{tasks.a.values.b}} ..."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ..store import Document

_REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


class UnknownReference(Exception):
    """A reference the sandbox does not know; Databricks has more of them."""


def resolve(text: str, run: Document, task: Document, values: Callable[[str, str], list[Any]]) -> str:
    """The text with every reference replaced. `values(task, key)` finds a task value. Raises
    UnknownReference.
    """
    return _REFERENCE.sub(lambda match: _value(match.group(1), run, task, values), text)


def _value(name: str, run: Document, task: Document, values: Callable[[str, str], list[Any]]) -> str:
    started = datetime.fromtimestamp(run["start_time"] / 1000, UTC)
    fixed = {
        "job.id": str(run["job_id"]),
        "job.name": str(run["run_name"]),
        "job.run_id": str(run["run_id"]),
        "job.repair_count": "0",
        "job.start_time.iso_date": started.date().isoformat(),
        "job.start_time.iso_datetime": started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "job.start_time.timestamp_ms": str(run["start_time"]),
        "job.trigger.type": {"PERIODIC": "cron", "FILE_ARRIVAL": "file_arrival"}.get(
            run["trigger"], "one_time"
        ),
        "job.trigger.file_arrival.location": str(run.get("_trigger_location") or ""),
        "task.name": str(task["task_key"]),
        "task.run_id": str(task["run_id"]),
        "task.execution_count": str(task["attempt_number"] + 1),
        "task.notebook_path": str(task["notebook_task"]["notebook_path"]),
        # The names before 2023, still in use.
        "job_id": str(run["job_id"]),
        "run_id": str(task["run_id"]),
        "parent_run_id": str(run["run_id"]),
        "start_date": started.date().isoformat(),
        "task_key": str(task["task_key"]),
    }
    if name in fixed:
        return fixed[name]
    if name.startswith("job.parameters."):
        wanted = name.removeprefix("job.parameters.").strip("[]")
        for one in run.get("job_parameters") or []:
            if one["name"] == wanted:
                return str(one.get("value", one["default"]))
    match = re.fullmatch(r"tasks\.([\w\-]+)\.values\.([\w\-]+)", name)
    if match and (found := values(*match.groups())):
        return found[0] if isinstance(found[0], str) else json.dumps(found[0])
    match = re.fullmatch(r"tasks\.([\w\-]+)\.run_id", name)
    if match:
        for one in run["tasks"]:
            if one["task_key"] == match.group(1):
                return str(one["run_id"])
    raise UnknownReference(f"The sandbox cannot resolve the reference {{{{{name}}}}}")
