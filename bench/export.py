"""The export into a real PostgreSQL against the paper's way of it, side by side in one run.

`npm run bench:export [-- --rows 1000000]` writes the same rows of a Delta table four ways, each into an empty table, and
checks that all hold the same: by pages of 1,000 INSERT ... ON CONFLICT (the paper's), by the modes upsert and replace, and
by a COPY of a prepared text file, which nothing can beat. What to compare is a ratio of one run."""

from __future__ import annotations

from history import ROOT

SPARK = ROOT / "test" / "notebooks" / "spark_server.py"
