"""Quartz cron expressions, as job schedules have them: second minute hour day month weekday [year]."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_MONTHS = {name.upper(): number for name, number in _MONTHS.items()}
_WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_DAYS_AHEAD = 366 * 8


class CronError(ValueError):
    """Not a Quartz cron expression, or one that never fires."""


def _numbers(text: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        try:
            step = int(step_text) if step_text else 1
            if span in ("*", "?"):
                first, last = low, high
            else:
                ends = [(names or {}).get(end.upper()) or int(end) for end in span.split("-")]
                first = ends[0]
                last = ends[-1] if len(ends) == 2 else (high if step_text else first)
                if len(ends) > 2:
                    raise ValueError
        except ValueError as error:
            raise CronError(f"'{part}' is not understood") from error
        if step < 1 or not (low <= first <= high and low <= last <= high):
            raise CronError(f"'{part}' is outside {low}-{high}")
        if first <= last:
            found |= set(range(first, last + 1, step))
        else:  # Quartz lets ranges wrap: FRI-MON
            found |= {
                low + (value - low) % (high - low + 1) for value in range(first, last + high - low + 2, step)
            }
    return found


def _quartz_weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


@dataclass(frozen=True)
class Quartz:
    """A parsed expression in a time zone."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: str
    months: frozenset[int]
    weekdays: str
    years: frozenset[int] | None
    zone: ZoneInfo

    @staticmethod
    def parse(expression: str, timezone: str) -> Quartz:
        """Raises CronError."""
        fields = expression.split()
        if len(fields) not in (6, 7):
            raise CronError(f"'{expression}' has {len(fields)} fields; a Quartz expression has 6 or 7")
        if (fields[3] == "?") == (fields[5] == "?"):
            raise CronError(f"'{expression}': exactly one of day-of-month and day-of-week must be '?'")
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise CronError(f"'{timezone}' is not a time zone") from error
        parsed = Quartz(
            seconds=tuple(sorted(_numbers(fields[0], 0, 59))),
            minutes=tuple(sorted(_numbers(fields[1], 0, 59))),
            hours=tuple(sorted(_numbers(fields[2], 0, 23))),
            days=fields[3].upper(),
            months=frozenset(_numbers(fields[4], 1, 12, _MONTHS)),
            weekdays=fields[5].upper(),
            years=frozenset(_numbers(fields[6], 1970, 2099)) if len(fields) == 7 else None,
            zone=zone,
        )
        parsed._day_matches(date(2024, 2, 1))
        return parsed

    def _day_matches(self, day: date) -> bool:
        if day.month not in self.months or (self.years is not None and day.year not in self.years):
            return False
        last = calendar.monthrange(day.year, day.month)[1]
        if self.weekdays == "?":
            return self._day_of_month_matches(day, last)
        weekday = _quartz_weekday(day)
        if "#" in self.weekdays:
            name, _, text = self.weekdays.partition("#")
            number = _int(text)
            return weekday in _numbers(name, 1, 7, _WEEKDAYS) and (day.day - 1) // 7 + 1 == number
        if self.weekdays.endswith("L") and self.weekdays != "L":
            return weekday in _numbers(self.weekdays[:-1], 1, 7, _WEEKDAYS) and day.day > last - 7
        return weekday in _numbers("7" if self.weekdays == "L" else self.weekdays, 1, 7, _WEEKDAYS)

    def _day_of_month_matches(self, day: date, last: int) -> bool:
        if self.days in ("L", "LW"):
            wanted = last
        elif self.days.startswith("L-"):
            return day.day == last - _int(self.days[2:])
        elif self.days.endswith("W"):
            wanted = min(_int(self.days[:-1]), last)
        else:
            return day.day in _numbers(self.days, 1, 31)
        if not self.days.endswith("W"):
            return day.day == wanted
        nearest = day.replace(day=wanted)
        if nearest.isoweekday() == 6:
            nearest += timedelta(days=-1 if wanted > 1 else 2)
        elif nearest.isoweekday() == 7:
            nearest += timedelta(days=1 if wanted < last else -2)
        return day == nearest

    def after(self, moment: datetime) -> datetime:
        """The first time strictly later, in UTC. Times a clock change skips do not fire. Raises CronError if
        none.
        """
        local = moment.astimezone(self.zone)
        day = local.date()
        for _ in range(_DAYS_AHEAD):
            if self._day_matches(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        for second in self.seconds:
                            found = datetime(
                                day.year, day.month, day.day, hour, minute, second, tzinfo=self.zone
                            )
                            instant = found.astimezone(UTC)
                            if instant > moment and instant.astimezone(self.zone).hour == hour:
                                return instant
            day += timedelta(days=1)
        raise CronError("the schedule never fires again")


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise CronError(f"'{text}' is not a number") from error
