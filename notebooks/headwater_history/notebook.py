"""What the three notebooks share: parameters in, summary out."""

from __future__ import annotations

import json
from typing import Any

from .errors import HeadwaterError


def parameter(dbutils: Any, name: str) -> str:
    """A job parameter, empty when the job gives none."""
    dbutils.widgets.text(name, "")
    return str(dbutils.widgets.get(name))


def choice(dbutils: Any, name: str, *allowed: str) -> str:
    """A job parameter that takes one of a few values, the first when the job gives none."""
    found = parameter(dbutils, name) or allowed[0]
    if found not in allowed:
        raise HeadwaterError(
            "notebook/parameter", "has a value that is not allowed", where=f"parameter {name}", found=found,
            allowed=", ".join(allowed),
        )  # fmt: skip
    return found


def finish(dbutils: Any, summary: dict[str, Any]) -> None:
    """Prints the summary for people and ends the notebook with it for programs."""
    print(json.dumps(summary, indent=2))
    dbutils.notebook.exit(json.dumps(summary))
