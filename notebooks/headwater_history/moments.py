"""Moments: as people write them, as DMS writes them, as Spark counts them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from .errors import HeadwaterError

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?)(Z|[+-]\d{2}:\d{2})|"
    r" (\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?))"
)


def parse_moment(value: str, where: str = "parameter as_of", also: str = "") -> datetime:
    """A moment from `yyyy-MM-dd HH:mm:ss[.ffffff]`, which is UTC as DMS writes it, or from ISO 8601 with a zone
    (`2026-03-01T12:00:00+02:00`, `...Z`). Raises HeadwaterError for anything else: a wrong guess is a wrong answer."""
    match = _MOMENT.fullmatch(value.strip())
    try:
        if match:
            day, clock, zone, plain = match.groups()
            return datetime.fromisoformat(f"{day}T{clock or plain}{zone or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # a month 13: told below
    raise HeadwaterError(
        "moment/invalid", "is not a moment", where=where, found=value or "nothing",
        allowed="2026-03-01 12:00:00.123456 (UTC), or 2026-03-01T12:00:00+02:00" + also,
    )  # fmt: skip


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
