"""What the three notebooks share: parameters in, summary out."""

from __future__ import annotations

import json
from typing import Any


def parameter(dbutils: Any, name: str) -> str:
    """A job parameter, empty when the job gives none."""
    dbutils.widgets.text(name, "")
    return str(dbutils.widgets.get(name))


def finish(dbutils: Any, summary: dict[str, Any]) -> None:
    """Prints the summary for people and ends the notebook with it for programs."""
    print(json.dumps(summary, indent=2))
    dbutils.notebook.exit(json.dumps(summary))
