# Databricks notebook source
# MAGIC %md
# MAGIC Applies the files that arrived in the incoming volumes to the history tables, and moves them to the processed ones.
# MAGIC `tables`: names of the tables to apply, separated by commas; empty for all. Exits with a summary as JSON; fails
# MAGIC at the end, with the list, when a table failed.

# COMMAND ----------

import json

from headwater_history.config import load
from headwater_history.files import DbutilsFiles
from headwater_history.run import apply

dbutils.widgets.text("tables", "")  # noqa: F821 - a notebook's global
pipeline = load().select(dbutils.widgets.get("tables"))  # noqa: F821
summary = apply(spark, DbutilsFiles(dbutils), pipeline)  # noqa: F821

# COMMAND ----------

dbutils.notebook.exit(json.dumps(summary.as_json()))  # noqa: F821
