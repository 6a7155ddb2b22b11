"""Runs of jobs: starting, queueing, retrying, cancelling, remembering.

Everything here runs on the event loop; a run's document changes in place and is stored at every change.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ..clock import now_ms
from ..context import Workspace
from ..errors import invalid, missing
from ..principals import ADMIN
from ..runner.pool import RunnerPool
from ..store import Document
from . import states
from .attempt import Attempt, Outcome

logger = logging.getLogger("headwater.jobs")
_FIRST_ID = 100_000_000_000_001


def _key(number: int) -> str:
    return f"{number:020d}"


class JobService:
    """The jobs of a workspace."""

    def __init__(self, here: Workspace) -> None:
        self._here = here
        self._pool = RunnerPool(here.options.state_dir)
        self._active: dict[int, Document] = {}
        self._work: dict[int, asyncio.Task[None]] = {}
        self._attempts: dict[int, Attempt] = {}

    def start(self) -> None:
        """Runs that a killed workspace left behind have failed."""
        (self._here.options.state_dir / "runs").mkdir(parents=True, exist_ok=True)
        for run in self._here.store.all("run"):
            if states.is_active(run):
                message = "The workspace was restarted while the run was active"
                for part in [*run["tasks"], run]:
                    if states.is_active(part):
                        states.set_state(part, "INTERNAL_ERROR", "FAILED", message, "INTERNAL_ERROR")
                self._save(run)
        self._pool.warm()

    async def stop(self) -> None:
        """Ends every run and process."""
        for work in self._work.values():
            work.cancel()
        await asyncio.gather(*self._work.values(), return_exceptions=True)
        await self._pool.close()

    # Jobs

    def new_id(self) -> int:
        """Ids of jobs, runs and task runs never coincide."""
        return self._here.store.next_number("job and run", _FIRST_ID)

    def job(self, identity: Any) -> Document:
        """The job, or Databricks' error."""
        found = self._here.store.get("job", str(identity))
        if found is None:
            raise missing(f"Job {identity} does not exist.")
        return found

    # Runs

    def run(self, identity: Any) -> Document:
        """A job run by its id, or Databricks' error."""
        found = self._find(identity)
        if found is None:
            raise missing(f"Run {identity} does not exist.")
        return found

    def _find(self, identity: Any) -> Document | None:
        number = int(identity)
        return self._active.get(number) or self._here.store.get("run", _key(number))

    def run_and_task(self, identity: Any) -> tuple[Document, Document | None]:
        """A run by its own id, or by a task run's id together with that task (a former attempt too)."""
        run = self._find(identity)
        if run is not None:
            return run, None
        owner = self._here.store.get("task run", str(int(identity)))
        if owner is None:
            raise missing(f"Run {identity} does not exist.")
        run = self.run(owner["run_id"])
        for task in [*run["tasks"], *run.get("_former", [])]:
            if task["run_id"] == int(identity):
                return run, task
        raise missing(f"Run {identity} does not exist.")

    def runs(self) -> list[Document]:
        """Every job run, newest first."""
        stored = [run for run in self._here.store.all("run") if run["run_id"] not in self._active]
        return sorted([*stored, *self._active.values()], key=lambda run: -run["run_id"])

    def attempt(self, task_run: int) -> Attempt | None:
        """The attempt that is executing as this task run."""
        return self._attempts.get(task_run)

    def spark_died(self) -> None:
        """Fails what is executing: its Spark sessions are gone."""
        for attempt in self._attempts.values():
            attempt.lose_spark()

    def _save(self, run: Document) -> None:
        self._here.store.put("run", _key(run["run_id"]), run)

    def _concurrent(self, job_id: int) -> list[Document]:
        return [
            run
            for run in self._active.values()
            if run["job_id"] == job_id and states.life_cycle(run) not in ("QUEUED",)
        ]

    def begin(self, settings: Document, job_id: int, trigger: str, **fields: Any) -> Document:
        """A new run: started, queued, or skipped when as many as allowed are active. Returns its document."""
        if not settings.get("tasks"):
            raise invalid(f"Job {job_id} has no tasks to run")
        now = now_ms()
        number = self._here.store.next_number(f"runs of {job_id}", 1)
        run: Document = {
            "run_id": self.new_id(),
            "job_id": job_id,
            "number_in_job": number,
            "run_name": settings.get("name") or "Untitled",
            "run_type": "JOB_RUN",
            "trigger": trigger,
            "creator_user_name": ADMIN,
            "start_time": now,
            "end_time": 0,
            "setup_duration": 0,
            "cleanup_duration": 0,
            "execution_duration": 0,
            "format": "MULTI_TASK",
            "_settings": settings,
            "_values": {},
            "_former": [],
            **fields,
        }
        run |= {"job_run_id": run["run_id"], "original_attempt_run_id": run["run_id"]}
        run["run_page_url"] = f"http://127.0.0.1:{self._here.options.port}/#job/{job_id}/run/{run['run_id']}"
        run["tasks"] = [self._new_task(run, task, 0) for task in settings["tasks"]]
        states.set_state(run, "PENDING")
        limit = settings.get("max_concurrent_runs", 1)
        queue = (settings.get("queue") or {}).get("enabled", False)
        if limit == 0 or (len(self._concurrent(job_id)) >= limit and not queue):
            message = (
                f"Skipping this run because the limit of {limit} maximum concurrent runs has been reached."
            )
            for part in [*run["tasks"], run]:
                states.set_state(part, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED", message)
            self._save(run)
            return run
        self._active[run["run_id"]] = run
        if len(self._concurrent(job_id)) > limit:
            states.set_state(
                run, "QUEUED", message=f"Queued due to reaching maximum concurrent runs of {limit}."
            )
            self._save(run)
        else:
            self._launch(run)
        return run

    def _new_task(self, run: Document, task: Document, attempt: int) -> Document:
        document: Document = {
            **task,
            "run_id": self.new_id(),
            "attempt_number": attempt,
            "start_time": now_ms(),
            "end_time": 0,
            "setup_duration": 0,
            "cleanup_duration": 0,
            "execution_duration": 0,
        }
        states.set_state(document, "BLOCKED" if task.get("depends_on") else "PENDING")
        self._here.store.put("task run", str(document["run_id"]), {"run_id": run["run_id"]})
        return document

    def _launch(self, run: Document) -> None:
        self._save(run)
        work = asyncio.create_task(self._execute(run))
        self._work[run["run_id"]] = work
        work.add_done_callback(lambda _: self._ended(run))

    def _ended(self, run: Document) -> None:
        self._active.pop(run["run_id"], None)
        self._work.pop(run["run_id"], None)
        waiting = [
            one
            for one in sorted(self._active.values(), key=lambda one: one["run_id"])
            if one["job_id"] == run["job_id"] and states.life_cycle(one) == "QUEUED"
        ]
        limit = run["_settings"].get("max_concurrent_runs", 1)
        if waiting and len(self._concurrent(run["job_id"])) < limit:
            waiting[0]["queue_duration"] = now_ms() - waiting[0]["start_time"]
            states.set_state(waiting[0], "PENDING")
            self._launch(waiting[0])

    async def _execute(self, run: Document) -> None:
        states.set_state(run, "RUNNING")
        self._save(run)
        timeout = run["_settings"].get("timeout_seconds") or None
        try:
            async with asyncio.timeout(timeout):
                await self._run_tasks(run)
            states.conclude(run)
        except TimeoutError:
            self._finish_all(run, "TIMEDOUT", f"Run timed out after {timeout} seconds.")
        except asyncio.CancelledError:
            self._finish_all(run, "CANCELED", "Run cancelled.")
        except Exception as error:
            logger.exception("run %s", run["run_id"])
            self._finish_all(run, "FAILED", f"The sandbox failed: {error}", "INTERNAL_ERROR")
        self._save(run)

    def _finish_all(self, run: Document, result: str, message: str, life_cycle: str = "TERMINATED") -> None:
        for part in [*run["tasks"], run]:
            if states.is_active(part):
                states.set_state(part, life_cycle, result, message, "INTERNAL_ERROR")

    async def _run_tasks(self, run: Document) -> None:
        """Starts each task as soon as all it depends on is done."""
        working: dict[asyncio.Task[None], str] = {}
        try:
            while True:
                done = {task["task_key"]: task for task in run["tasks"] if not states.is_active(task)}
                for position, task in enumerate(run["tasks"]):
                    needs = {need["task_key"] for need in task.get("depends_on") or []}
                    if (
                        task["task_key"] in done
                        or task["task_key"] in working.values()
                        or not needs <= set(done)
                    ):
                        continue
                    instead = states.may_start(task, done)
                    if instead is None:
                        coroutine = self._run_task(run, position)
                        working[asyncio.create_task(coroutine)] = task["task_key"]
                    else:
                        message = (
                            "An upstream task failed." if instead != "EXCLUDED" else "run_if was not met."
                        )
                        states.set_state(
                            task, "SKIPPED" if instead == "EXCLUDED" else "TERMINATED", instead, message
                        )
                        self._save(run)
                        done[task["task_key"]] = task
                if not working:
                    if all(not states.is_active(task) for task in run["tasks"]):
                        return
                    continue
                finished, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                for one in finished:
                    del working[one]
                    one.result()
        finally:
            for one in working:
                one.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _run_task(self, run: Document, position: int) -> None:
        """Attempts of one task, until one succeeds or there are no more."""
        while True:
            task = run["tasks"][position]
            task["start_time"] = now_ms()
            outcome = await self._attempt(run, task)
            states.set_state(task, outcome.life_cycle, outcome.result, outcome.message, outcome.code)
            task["execution_duration"] = task["end_time"] - task["start_time"]
            self._here.store.put("output", str(task["run_id"]), outcome.output)
            self._save(run)
            if outcome.result == "SUCCESS" or not self._retries(task, outcome):
                return
            definition = next(one for one in run["_settings"]["tasks"] if one["task_key"] == task["task_key"])
            again = self._new_task(run, definition, task["attempt_number"] + 1)
            run["_former"].append(task)
            run["tasks"][position] = again
            states.set_state(again, "WAITING_FOR_RETRY")
            self._save(run)
            pause = (task.get("min_retry_interval_millis") or 0) / 1000
            await asyncio.sleep(self._here.clock.seconds(pause))

    def _retries(self, task: Document, outcome: Outcome) -> bool:
        retries = task.get("max_retries") or 0
        if outcome.result == "TIMEDOUT" and not task.get("retry_on_timeout"):
            return False
        return retries == -1 or task["attempt_number"] < retries

    async def _attempt(self, run: Document, task: Document) -> Outcome:
        states.set_state(task, "RUNNING")
        self._save(run)
        attempt = Attempt(self._here, self._pool, run, task)
        self._attempts[task["run_id"]] = attempt
        timeout = task.get("timeout_seconds") or None
        try:
            async with asyncio.timeout(timeout):
                return await attempt.execute()
        except TimeoutError:
            message = f"Run timed out after {timeout} seconds."
            return Outcome("TERMINATED", "TIMEDOUT", message, {"error": message, "logs": attempt.output.text})
        except asyncio.CancelledError:
            self._here.store.put(
                "output", str(task["run_id"]), {"error": "Cancelled", "logs": attempt.output.text}
            )
            raise
        finally:
            del self._attempts[task["run_id"]]

    def forget(self, run: Document) -> None:
        """Deletes an ended run and what it told."""
        for task in [*run["tasks"], *run.get("_former", [])]:
            self._here.store.delete("task run", str(task["run_id"]))
            self._here.store.delete("output", str(task["run_id"]))
        self._here.store.delete("run", _key(run["run_id"]))

    def cancel(self, run: Document) -> None:
        """A run that has ended stays as it is."""
        if not states.is_active(run):
            return
        work = self._work.get(run["run_id"])
        if work is None:  # queued
            self._finish_all(run, "CANCELED", "Run cancelled.")
            self._active.pop(run["run_id"], None)
            self._save(run)
            return
        states.set_state(run, "TERMINATING", message="Cancelling")
        self._save(run)
        work.cancel()
