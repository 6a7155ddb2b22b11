"""What a job may look like: checked when it is made or changed, with Databricks' errors.

The fields are those of the Jobs API 2.1/2.2. What the sandbox does not run is refused here, by name.
"""

from __future__ import annotations

import re
from typing import Any

from .. import principals
from ..aws import S3Url
from ..context import Workspace
from ..errors import invalid, missing, unsupported
from ..store import Document
from ..uc.common import location_of, managed_roots
from ..volume_files import NotFound, normalized
from .quartz import CronError, Quartz

_TASK_KEY = re.compile(r"[A-Za-z0-9_\-]{1,100}")
_RUN_IF = (
    "ALL_SUCCESS",
    "ALL_DONE",
    "NONE_FAILED",
    "AT_LEAST_ONE_SUCCESS",
    "ALL_FAILED",
    "AT_LEAST_ONE_FAILED",
)
_MIN_SECONDS = 60  # both file-arrival times (Jobs API)
MAX_CONCURRENT_RUNS = 1000


def checked(here: Workspace, settings: Document) -> Document:
    """The settings with the defaults the API answers with."""
    for field in ("git_source", "continuous"):
        if settings.get(field):
            raise unsupported(f"The sandbox does not run jobs with {field}")
    concurrent = settings.get("max_concurrent_runs", 1)
    if not isinstance(concurrent, int) or not 0 <= concurrent <= MAX_CONCURRENT_RUNS:
        raise invalid(f"max_concurrent_runs is {concurrent}; it must be between 0 and {MAX_CONCURRENT_RUNS}")
    if settings.get("schedule") and settings.get("trigger"):
        raise invalid("A job cannot have both a schedule and a trigger")
    tasks = _checked_tasks(here, settings)
    result: Document = {
        "name": "Untitled",
        "email_notifications": {},
        "webhook_notifications": {},
        "timeout_seconds": 0,
        "max_concurrent_runs": 1,
        **settings,
        "format": "MULTI_TASK",
    }
    if tasks:
        result["tasks"] = tasks
    if settings.get("schedule"):
        result["schedule"] = _checked_schedule(settings["schedule"])
    if settings.get("trigger"):
        result["trigger"] = _checked_trigger(here, settings["trigger"])
    _check_parameters(settings)
    _check_run_as(settings.get("run_as"))
    return result


def _checked_tasks(here: Workspace, settings: Document) -> list[Document]:
    tasks = settings.get("tasks") or []
    keys = [str(task.get("task_key") or "") for task in tasks]
    for key in keys:
        if not _TASK_KEY.fullmatch(key):
            raise invalid(f"Invalid task key '{key}': letters, digits, dashes and underscores, up to 100")
        if keys.count(key) > 1:
            raise invalid(f"Duplicate task key '{key}'")
    checked_tasks = [_checked_task(here, settings, task, keys) for task in tasks]
    waiting = {
        task["task_key"]: {one["task_key"] for one in task.get("depends_on") or []} for task in checked_tasks
    }
    while waiting:
        ready = [key for key, needs in waiting.items() if not needs & set(waiting)]
        if not ready:
            raise invalid(f"The tasks {', '.join(sorted(waiting))} depend on each other in a cycle")
        for key in ready:
            del waiting[key]
    return checked_tasks


def _checked_task(here: Workspace, settings: Document, task: Document, keys: list[str]) -> Document:
    key = task["task_key"]
    kinds = [name for name in task if name.endswith("_task") and task[name]]
    if kinds != ["notebook_task"]:
        if not kinds:
            raise invalid(f"Task '{key}' has no task type, for example notebook_task")
        raise unsupported(f"Task '{key}': the sandbox runs notebook_task only, not {', '.join(kinds)}")
    notebook = dict(task["notebook_task"])
    if not str(notebook.get("notebook_path") or "").startswith("/"):
        raise invalid(
            f"Task '{key}': only absolute notebook paths are supported: '{notebook.get('notebook_path')}'"
        )
    if (notebook.get("source") or "WORKSPACE") != "WORKSPACE":
        raise unsupported(
            f"Task '{key}': the sandbox runs notebooks from WORKSPACE, not {notebook['source']}"
        )
    if notebook.get("warehouse_id"):
        raise unsupported(f"Task '{key}': the sandbox runs notebooks on Spark, not on a SQL warehouse")
    for need in task.get("depends_on") or []:
        if need.get("task_key") not in keys or need.get("task_key") == key:
            raise invalid(
                f"Task '{key}' depends on '{need.get('task_key')}', which is not another task of the job"
            )
        if need.get("outcome"):
            raise unsupported(
                f"Task '{key}': depends_on.outcome belongs to condition tasks, which are not run here"
            )
    if (task.get("run_if") or "ALL_SUCCESS") not in _RUN_IF:
        raise invalid(f"Task '{key}': run_if '{task['run_if']}' is not one of {', '.join(_RUN_IF)}")
    for field, low in (("max_retries", -1), ("min_retry_interval_millis", 0), ("timeout_seconds", 0)):
        value = task.get(field)
        if value is not None and (not isinstance(value, int) or value < low):
            raise invalid(f"Task '{key}': {field} is {value!r}; it must be a number of at least {low}")
    _check_compute(settings, task)
    notebook.setdefault("source", "WORKSPACE")
    return {
        "run_if": "ALL_SUCCESS",
        "timeout_seconds": 0,
        "email_notifications": {},
        **task,
        "notebook_task": notebook,
    }


def _check_compute(settings: Document, task: Document) -> None:
    key = task["task_key"]
    computes = [name for name in ("job_cluster_key", "new_cluster", "existing_cluster_id") if task.get(name)]
    if len(computes) > 1:
        raise invalid(f"Task '{key}': only one of {', '.join(computes)} may be set")
    if task.get("job_cluster_key"):
        known = [one.get("job_cluster_key") for one in settings.get("job_clusters") or []]
        if task["job_cluster_key"] not in known:
            raise invalid(f"Task '{key}': job_cluster_key '{task['job_cluster_key']}' is not in job_clusters")
    if task.get("environment_key"):
        if computes:
            raise invalid(f"Task '{key}': environment_key is for serverless compute, not with {computes[0]}")
        known = [one.get("environment_key") for one in settings.get("environments") or []]
        if task["environment_key"] not in known:
            raise invalid(f"Task '{key}': environment_key '{task['environment_key']}' is not in environments")
    for library in task.get("libraries") or []:
        if not computes:
            raise invalid(
                f"Task '{key}': libraries are not supported on serverless compute; use environments"
            )
        other = [name for name in library if name != "pypi"]
        if other:
            raise unsupported(f"Task '{key}': the sandbox takes libraries from PyPI only, not {other[0]}")


def _checked_schedule(schedule: Document) -> Document:
    try:
        Quartz.parse(
            str(schedule.get("quartz_cron_expression") or ""), str(schedule.get("timezone_id") or "")
        )
    except CronError as error:
        raise invalid(f"Invalid schedule: {error}") from error
    return {"pause_status": "UNPAUSED", **schedule}


def _checked_trigger(here: Workspace, trigger: Document) -> Document:
    kinds = [name for name in trigger if name != "pause_status" and trigger[name]]
    if kinds != ["file_arrival"]:
        raise unsupported(
            f"The sandbox has file_arrival triggers and schedules, not {', '.join(kinds) or 'none'}"
        )
    arrival = trigger["file_arrival"]
    for field in ("min_time_between_triggers_seconds", "wait_after_last_change_seconds"):
        value = arrival.get(field)
        if value not in (None, 0) and (not isinstance(value, int) or value < _MIN_SECONDS):
            raise invalid(f"trigger.file_arrival.{field} is {value}; it must be at least {_MIN_SECONDS}")
    trigger_place(here, str(arrival.get("url") or ""))
    return {"pause_status": "UNPAUSED", **trigger}


def trigger_place(here: Workspace, url: str) -> S3Url:
    """The S3 place a file-arrival trigger watches. Raises INVALID_PARAMETER_VALUE.

    It must be (below) an external location or a volume, without wildcards, and hold no managed storage
    (docs.databricks.com/jobs/file-arrival-triggers).
    """
    if any(character in url for character in "*?[]{}"):
        raise invalid(f"The file arrival trigger's path '{url}' must not contain wildcards")
    if url.startswith(("/Volumes/", "dbfs:/Volumes/")):
        try:
            parts = normalized(url).split("/")
        except NotFound as error:
            raise invalid(f"Invalid file arrival trigger path: {error}") from error
        volume = here.store.get("volume", ".".join(parts[2:5]))
        if volume is None:
            raise invalid(
                f"The file arrival trigger's path '{url}': Volume '{'.'.join(parts[2:5])}' does not exist."
            )
        root = S3Url.parse(volume["storage_location"])
        return S3Url(root.bucket, root.key("/".join(parts[5:])))
    try:
        place = S3Url.parse(url)
    except ValueError as error:
        raise invalid(f"Invalid file arrival trigger path: {error}") from error
    if location_of(here, place) is None:
        raise invalid(f"The file arrival trigger's path '{url}' is in no external location and no volume")
    for name, root in managed_roots(here):
        if place.contains(root):
            raise invalid(
                f"The file arrival trigger's path '{url}' contains the managed location of '{name}'"
            )
    return place


def _check_parameters(settings: Document) -> None:
    names = [str(one.get("name") or "") for one in settings.get("parameters") or []]
    for name in names:
        if not re.fullmatch(r"[\w\-.]+", name) or names.count(name) > 1:
            raise invalid(f"Invalid or repeated job parameter name '{name}'")
    for one in settings.get("parameters") or []:
        if not isinstance(one.get("default"), str):
            raise invalid(f"Job parameter '{one['name']}' needs a default that is text")


def _check_run_as(run_as: Any) -> None:
    if not run_as:
        return
    if run_as.get("group_name"):
        raise unsupported("The sandbox does not run jobs as a group")
    application, user = run_as.get("service_principal_name"), run_as.get("user_name")
    if bool(application) == bool(user):
        raise invalid("run_as needs exactly one of user_name and service_principal_name")
    if application and principals.service_principal(application) is None:
        raise missing(f"Service principal '{application}' in run_as does not exist.")
    if user and principals.user(user) is None:
        raise missing(f"User '{user}' in run_as does not exist.")
