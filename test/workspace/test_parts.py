"""Parts that need no workspace: schedules, places, notebook cells, redaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from headwater_workspace.aws import S3Url
from headwater_workspace.jobs.quartz import CronError, Quartz
from headwater_workspace.runner.notebook import UnsupportedMagic, cells
from headwater_workspace.runner.pool import Output
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2024, 2, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("0 0/15 * * * ?", "UTC", ["28T12:15", "28T12:30"]),
        ("0 30 6 ? * MON-FRI", "Europe/Berlin", ["29T05:30", "01T05:30", "04T05:30"]),
        ("0 0 0 L * ?", "UTC", ["29T00:00", "31T00:00"]),
        ("0 0 0 ? * 6L", "UTC", ["29T00:00"]),  # the last Friday of March
        ("0 0 9 ? * MON#1", "UTC", ["04T09:00", "01T09:00"]),
        ("0 0 0 1W * ?", "UTC", ["01T00:00", "01T00:00", "01T00:00"]),
        ("0 30 2 31 3 ? 2024", "Europe/Berlin", []),  # 02:30 does not exist on that day
    ],
)
def test_quartz(expression: str, zone: str, expected: list[str]) -> None:
    schedule = Quartz.parse(expression, zone)
    moment = START
    if not expected:
        with pytest.raises(CronError, match="never fires"):
            schedule.after(moment)
    for one in expected:
        moment = schedule.after(moment)
        assert moment.strftime("%dT%H:%M") == one


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 0 0 * * *", "exactly one of"),
        ("0 0 25 * * ?", "outside 0-23"),
        ("0 0 x * * ?", "not understood"),
        ("0 0 0", "6 or 7"),
        ("0 0 0 ? * 1#x", "not a number"),
    ],
)
def test_bad_quartz(expression: str, message: str) -> None:
    with pytest.raises(CronError, match=message):
        Quartz.parse(expression, "UTC")
    with pytest.raises(CronError, match="not a time zone"):
        Quartz.parse("0 0 0 * * ?", "Nowhere/Land")


@given(st.integers(0, 59), st.integers(0, 59), st.integers(0, 23), st.integers(0, 400))
def test_a_daily_schedule_fires_once_a_day(second: int, minute: int, hour: int, days: int) -> None:
    schedule = Quartz.parse(f"{second} {minute} {hour} * * ?", "UTC")
    moment = START + timedelta(days=days)
    first = schedule.after(moment)
    assert moment < first <= moment + timedelta(days=1)
    assert schedule.after(first) == first + timedelta(days=1)


_PARTS = st.lists(st.sampled_from(["a", "ab", "b"]), max_size=4)


@given(_PARTS, _PARTS)
def test_places_overlap_by_whole_components(one: list[str], two: list[str]) -> None:
    first, second = S3Url.parse(f"s3://x/{'/'.join(one)}/"), S3Url.parse(f"s3a://x/{'/'.join(two)}")
    assert first.contains(second) == (two[: len(one)] == one)
    assert first.overlaps(second) == second.overlaps(first)
    assert not first.overlaps(S3Url.parse("s3://xy/"))


def test_cells() -> None:
    source = (
        "# Databricks notebook source\n# MAGIC %md\n# MAGIC # Title\n\n# COMMAND ----------\n\nx = 1\n\n"
        "# COMMAND ----------\n\n# MAGIC %run ./other\n\n"
        "# COMMAND ----------\n\n# MAGIC %sql\n# MAGIC SELECT 1\n"
    )
    found = cells(source)
    assert [(cell.kind, cell.text.strip()) for cell in found] == [
        ("python", "x = 1"),
        ("run", "./other"),
        ("sql", "SELECT 1"),
    ]
    assert source.split("\n")[found[0].line + 1] == "x = 1"
    for magic in ("%pip install x", "%scala", "%sh ls"):
        with pytest.raises(UnsupportedMagic, match=magic.split()[0]):
            cells(f"# MAGIC {magic}\n")


@given(st.text(min_size=1), st.text(), st.text())
def test_no_secret_is_left_in_output(secret: str, before: str, after: str) -> None:
    output = Output(secrets={secret})
    output.add((before + secret + after).encode(errors="ignore"))
    if secret not in "[REDACTED]":
        assert secret not in output.text.replace("[REDACTED]", "")


def test_long_output_keeps_its_end_without_a_cut_secret() -> None:
    output = Output(secrets={"s3cret"})
    for _ in range(700):
        output.add(b"s3cret 0123456789" * 1000)
    assert output.truncated is False or len(output.text) <= 5 * 1024 * 1024
    assert "s3cret" not in output.text and len(output.text) == 5 * 1024 * 1024 and output.truncated
