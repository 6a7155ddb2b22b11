"""States of runs and tasks in both shapes the Jobs API reports: `state` and, newer, `status`."""

from __future__ import annotations

from typing import Any

from ..clock import now_ms
from ..store import Document

ACTIVE = ("PENDING", "RUNNING", "TERMINATING", "QUEUED", "BLOCKED", "WAITING_FOR_RETRY")
# Result -> (termination code, type) of `status.termination_details`.
_TERMINATION = {
    "SUCCESS": ("SUCCESS", "SUCCESS"),
    "SUCCESS_WITH_FAILURES": ("SUCCESS_WITH_FAILURES", "SUCCESS"),
    "FAILED": ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
    "TIMEDOUT": ("CANCELED", "CLIENT_ERROR"),
    "CANCELED": ("USER_CANCELED", "CLIENT_ERROR"),
    "UPSTREAM_FAILED": ("SKIPPED", "CLIENT_ERROR"),
    "UPSTREAM_CANCELED": ("SKIPPED", "CLIENT_ERROR"),
    "EXCLUDED": ("SKIPPED", "SUCCESS"),
    "MAXIMUM_CONCURRENT_RUNS_REACHED": ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR"),
}


def set_state(
    document: Document, life_cycle: str, result: str | None = None, message: str = "", code: str | None = None
) -> None:
    """Changes a run's or task's state in place; an ending sets end_time. `code`: a termination code of its
    own.
    """
    state: dict[str, Any] = {"life_cycle_state": life_cycle, "state_message": message}
    state["user_cancelled_or_timedout"] = result in ("CANCELED", "TIMEDOUT")
    status: dict[str, Any] = {"state": life_cycle}
    if result:
        state["result_state"] = result
        termination, kind = _TERMINATION[result]
        if life_cycle == "INTERNAL_ERROR" and code:
            termination, kind = code, "INTERNAL_ERROR" if code == "INTERNAL_ERROR" else kind
        status = {
            "state": "TERMINATED",
            "termination_details": {"code": termination, "type": kind, "message": message},
        }
    elif life_cycle in ("WAITING_FOR_RETRY", "BLOCKED"):
        status = {"state": "WAITING" if life_cycle == "WAITING_FOR_RETRY" else "BLOCKED"}
    if life_cycle == "QUEUED":
        state["queue_reason"] = message
        status["queue_details"] = {"code": "MAX_CONCURRENT_RUNS_REACHED", "message": message}
    document["state"] = state
    document["status"] = status
    if life_cycle not in ACTIVE:
        document["end_time"] = now_ms()
        document["run_duration"] = document["end_time"] - document["start_time"]


def life_cycle(document: Document) -> str:
    """Its life-cycle state."""
    return str(document["state"]["life_cycle_state"])


def result(document: Document) -> str | None:
    """Its result state, once it has one."""
    found = document["state"].get("result_state")
    return str(found) if found else None


def is_active(document: Document) -> bool:
    """Whether it has not ended."""
    return life_cycle(document) in ACTIVE


def may_start(task: Document, done: dict[str, Document]) -> str | None:
    """None if the task runs now that all it depends on is done, else the result it gets instead (run_if)."""
    results = [result(done[need["task_key"]]) for need in task.get("depends_on") or []]
    if not results:
        return None
    good = [one == "SUCCESS" for one in results]
    failed = [one in ("FAILED", "TIMEDOUT", "UPSTREAM_FAILED") for one in results]
    rule = task.get("run_if") or "ALL_SUCCESS"
    passes = {
        "ALL_SUCCESS": all(good),
        "ALL_DONE": True,
        "NONE_FAILED": not any(failed) and any(good),
        "AT_LEAST_ONE_SUCCESS": any(good),
        "ALL_FAILED": all(failed),
        "AT_LEAST_ONE_FAILED": any(failed),
    }[rule]
    if passes:
        return None
    if rule in ("ALL_FAILED", "AT_LEAST_ONE_FAILED"):
        return "EXCLUDED"
    return "UPSTREAM_CANCELED" if "CANCELED" in results and not any(failed) else "UPSTREAM_FAILED"


def conclude(run: Document) -> None:
    """The run's result from those of its leaves, as Databricks does; the message names what failed."""
    needed = {need["task_key"] for task in run["tasks"] for need in task.get("depends_on") or []}
    leaves = [result(task) for task in run["tasks"] if task["task_key"] not in needed]
    bad = [task for task in run["tasks"] if result(task) in ("FAILED", "TIMEDOUT")]
    if all(one in ("SUCCESS", "EXCLUDED") for one in leaves):
        set_state(run, "TERMINATED", "SUCCESS_WITH_FAILURES" if bad else "SUCCESS")
    else:
        messages = [
            f"Task {task['task_key']} failed with message: {task['state']['state_message']}." for task in bad
        ]
        if any(result(task) == "UPSTREAM_FAILED" for task in run["tasks"]):
            messages.append("This caused all downstream tasks to get skipped.")
        code = bad[0]["status"]["termination_details"]["code"] if bad else None
        set_state(run, "INTERNAL_ERROR", "FAILED", " ".join(messages), code)
    run["execution_duration"] = run["end_time"] - run["start_time"]
