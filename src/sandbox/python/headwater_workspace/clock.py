"""The sandbox's clock: waits are divided by the scale, and schedules see a time that runs that much
faster.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Scale 1 is the wall clock. What is reported as a time of day (run start, file change) is never
    scaled.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._start = time.time()

    def seconds(self, nominal: float) -> float:
        """How long to really wait for what the cloud would take `nominal` seconds for."""
        return nominal / self.scale

    def now(self) -> datetime:
        """The time schedules go by: the wall clock's when the workspace started, running faster since."""
        return datetime.fromtimestamp(self._start + (time.time() - self._start) * self.scale, UTC)


def now_ms() -> int:
    """Wall clock, milliseconds since the epoch, as every Databricks API reports times."""
    return int(time.time() * 1000)
