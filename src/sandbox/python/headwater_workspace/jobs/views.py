"""Jobs and runs as the API shows them."""

from __future__ import annotations

from ..errors import invalid
from ..spark_sessions import owner_of_runs
from ..store import Document


def _public(document: Document) -> Document:
    return {key: value for key, value in document.items() if not key.startswith("_")}


def job_view(job: Document, tasks: bool = True) -> Document:
    """A job; in lists without its tasks unless asked for."""
    settings = job["settings"]
    if not tasks:
        hidden = ("tasks", "job_clusters", "environments")
        settings = {key: value for key, value in settings.items() if key not in hidden}
    return {**job, "run_as_user_name": owner_of_runs(job["settings"]), "settings": settings}


def run_view(run: Document, task: Document | None, tasks: bool = True) -> Document:
    """A run, or one of its tasks as if it were a run."""
    view = _public(run)
    if task is not None:
        own = {key: value for key, value in task.items() if key not in ("depends_on", "run_if")}
        return {**view, **own, "tasks": [task], "job_run_id": run["run_id"]}
    if not tasks:
        view.pop("tasks")
    return view


def output_view(run: Document, task: Document, output: Document) -> Document:
    """What runs/get-output answers."""
    view: Document = {"metadata": run_view(run, task)}
    for key in ("error", "error_trace", "logs"):
        if output.get(key):
            view[key] = output[key]
    if "logs" in view:
        view["logs_truncated"] = bool(output.get("logs_truncated"))
    notebook = output.get("notebook_output") or {}
    view["notebook_output"] = {key: value for key, value in notebook.items() if value is not None}
    return view


def page(name: str, items: list[Document], limit: int, token: str | None, most: int) -> Document:
    """One page of a list: tokens are offsets."""
    if limit < 0 or limit > most:
        raise invalid(f"limit is {limit}; it must be between 1 and {most}")
    try:
        start = int(token or 0)
    except ValueError as error:
        raise invalid(f"Invalid page_token '{token}'") from error
    size = limit or most
    view: Document = {"has_more": start + size < len(items)}
    if items[start : start + size]:
        view[name] = items[start : start + size]
    if view["has_more"]:
        view["next_page_token"] = str(start + size)
    if start:
        view["prev_page_token"] = str(max(0, start - size))
    return view
