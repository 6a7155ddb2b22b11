"""Starts jobs by themselves: file-arrival triggers and schedules.

File arrival as documented (docs.databricks.com/jobs/file-arrival-triggers, Jobs API): about every minute, at
any depth, new files only; an overwrite does not count. `wait_after_last_change_seconds` counts anew at each
arrival; `min_time_between_triggers_seconds` counts from the last time the trigger fired. Files of one poll
are one run. Not documented, assumed: what is there when the trigger is made, moved elsewhere or unpaused does
not fire it; a file written again after it was deleted is new.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import S3Url
from ..context import Workspace
from ..errors import ApiError
from ..store import Document
from .quartz import Quartz
from .settings import trigger_place

logger = logging.getLogger("headwater.triggers")
POLL_SECONDS = 60.0
_SETTLE_SECONDS, _SETTLE_LOOKS = 0.3, 5


def list_keys(here: Workspace, place: S3Url) -> list[str]:
    """Keys of the files below a place, without directory markers."""
    pages = here.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.folder)
    return [one["Key"] for page in pages for one in page.get("Contents", []) if not one["Key"].endswith("/")]


@dataclass
class _Schedule:
    definition: tuple[str, str]
    due: datetime


class Triggers:
    """One loop for arrivals, one for schedules."""

    def __init__(self, here: Workspace) -> None:
        self._here = here
        self._schedules: dict[int, _Schedule] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to watch."""
        self._tasks = [asyncio.create_task(self._poll()), asyncio.create_task(self._tick())]

    async def stop(self) -> None:
        """Stops watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def changed(self, before: Document | None, job: Document) -> None:
        """To be called when a job was made or changed: takes stock where a trigger begins to watch."""
        now, was = _watched(job["settings"]), _watched((before or {"settings": {}})["settings"])
        if now is None:
            self._here.store.delete("arrival", str(job["job_id"]))
        elif now != was:
            keys = list_keys(self._here, trigger_place(self._here, now))
            self._remember(job, {"known": keys, "pending": False, "changed": 0.0, "fired": 0.0})

    def _remember(self, job: Document, state: Document) -> None:
        self._here.store.put("arrival", str(job["job_id"]), state)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._here.clock.seconds(POLL_SECONDS))
            for job in self._here.store.all("job"):
                if _watched(job["settings"]) is None:
                    continue
                try:
                    await self._check(job)
                except (ApiError, ClientError, BotoCoreError) as error:
                    logger.error("file arrival trigger of job %s: %s", job["job_id"], error)

    async def _check(self, job: Document) -> None:
        arrival = job["settings"]["trigger"]["file_arrival"]
        place = trigger_place(self._here, arrival["url"])
        known = (self._here.store.get("arrival", str(job["job_id"])) or {}).get("known", [])
        keys = await self._settled(place, set(known))
        current = self._here.store.get("job", str(job["job_id"]))
        state = self._here.store.get("arrival", str(job["job_id"]))
        if current is None or state is None or current["settings"] != job["settings"]:
            return  # deleted or changed while S3 was listed
        now = time.time()
        if set(keys) - set(state["known"]):
            state |= {"pending": True, "changed": now}
        wait = self._here.clock.seconds(arrival.get("wait_after_last_change_seconds") or 0)
        pause = self._here.clock.seconds(arrival.get("min_time_between_triggers_seconds") or 0)
        due = state["pending"] and now - state["changed"] >= wait and now - state["fired"] >= pause
        if due:
            state |= {"pending": False, "fired": now}
        if due or state["known"] != keys:
            self._remember(job, state | {"known": keys})
        if due:
            self._here.jobs.begin(
                job["settings"],
                job["job_id"],
                "FILE_ARRIVAL",
                _trigger_location=arrival["url"],
                job_parameters=[
                    {**one, "value": one["default"]} for one in job["settings"].get("parameters") or []
                ],
            )

    async def _settled(self, place: S3Url, known: set[str]) -> list[str]:
        """The files there are. Where the clock is scaled, those still being written beside new ones are
        waited for: a poll a minute hardly ever cuts what is written within a second; a poll a second would.
        """
        keys = await asyncio.to_thread(list_keys, self._here, place)
        for _ in range(_SETTLE_LOOKS if self._here.clock.scale > 1 else 0):
            before = keys
            if set(before) <= known:
                break
            await asyncio.sleep(_SETTLE_SECONDS)
            keys = await asyncio.to_thread(list_keys, self._here, place)
            if keys == before:
                break
        return keys

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(
                min(1.0, self._here.clock.seconds(1)) if self._here.clock.scale < 20 else 0.05
            )
            now = self._here.clock.now()
            for job in self._here.store.all("job"):
                schedule = job["settings"].get("schedule")
                if schedule and schedule["pause_status"] == "UNPAUSED":
                    self._fire_if_due(job, schedule, now)
                else:
                    self._schedules.pop(job["job_id"], None)

    def _fire_if_due(self, job: Document, schedule: Document, now: datetime) -> None:
        definition = (schedule["quartz_cron_expression"], schedule["timezone_id"])
        known = self._schedules.get(job["job_id"])
        if known is None or known.definition != definition:
            due = Quartz.parse(*definition).after(now)
            self._schedules[job["job_id"]] = _Schedule(definition, due)
        elif now >= known.due:
            known.due = Quartz.parse(*definition).after(now)  # what was missed meanwhile is not made up for
            self._here.jobs.begin(
                job["settings"],
                job["job_id"],
                "PERIODIC",
                schedule=schedule,
                job_parameters=[
                    {**one, "value": one["default"]} for one in job["settings"].get("parameters") or []
                ],
            )


def _watched(settings: Document) -> str | None:
    trigger = settings.get("trigger") or {}
    if trigger.get("pause_status") != "UNPAUSED" or not trigger.get("file_arrival"):
        return None
    return str(trigger["file_arrival"]["url"])
