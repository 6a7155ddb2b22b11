"""Databricks source format: a .py file whose cells are divided by `# COMMAND ----------`."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEADER = "# Databricks notebook source"
_DIVIDER = re.compile(r"^# COMMAND -+[ \t]*$", re.MULTILINE)
_MAGIC = re.compile(r"^# MAGIC ?")


class UnsupportedMagic(Exception):
    """A cell the sandbox does not run."""


@dataclass(frozen=True)
class Cell:
    """kind: python (code), run (path of another notebook) or sql (a statement). `line`: where it begins, from
    1.
    """

    kind: str
    text: str
    line: int


def cells(source: str) -> list[Cell]:
    """The cells that do something; markdown ones do not. Raises UnsupportedMagic."""
    found: list[Cell] = []
    line = 1
    position = 0
    dividers = [*_DIVIDER.finditer(source)]
    for end, after in [*((d.start(), d.end()) for d in dividers), (len(source), len(source))]:
        text = source[position:end]
        cell = _cell(text, line)
        if cell:
            found.append(cell)
        line += source.count("\n", position, after)
        position = after
    return found


def _cell(text: str, line: int) -> Cell | None:
    stripped = text.strip()
    if stripped.startswith(HEADER):
        text = text.replace(HEADER, "#" * len(HEADER), 1)
        stripped = text.strip().lstrip("#").strip()
    if not stripped:
        return None
    body = [one for one in text.strip().splitlines() if one.strip() and not one.startswith("# DBTITLE")]
    if not any(_MAGIC.match(one) for one in body):
        return Cell("python", text, line)
    if not all(_MAGIC.match(one) or one.startswith("#") for one in body):
        raise UnsupportedMagic(f"line {line}: a cell mixes `# MAGIC` lines and Python")
    magic = "\n".join(_MAGIC.sub("", one) for one in body if _MAGIC.match(one)).strip()
    name, _, rest = magic.partition(" ") if " " in magic.split("\n")[0] else magic.partition("\n")
    rest = rest.strip()
    if name in ("%md", "%md-sandbox") or name.startswith("%md\n"):
        return None
    if name == "%run":
        return Cell("run", rest.strip("\"'"), line)
    if name == "%python":
        return Cell("python", rest, line)
    if name == "%sql":
        return Cell("sql", rest, line)
    if name == "%pip":
        raise UnsupportedMagic(
            f"line {line}: %pip is not run by the sandbox; list the package in the job's environment "
            "(environments[].spec.dependencies), as a job should"
        )
    raise UnsupportedMagic(f"line {line}: the sandbox does not run {name} cells")
