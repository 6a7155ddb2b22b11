# Databricks notebook source
# MAGIC %md
# MAGIC # Snapshot
# MAGIC Writes `<table>__snapshot`: what each table held `as_of` a moment, which is either `yyyy-MM-dd HH:mm:ss[.ffffff]` in
# MAGIC UTC or ISO 8601 with a zone, or `version <n>` of one table's log. Parameter `tables`: a comma list; empty for all.

# COMMAND ----------

from headwater_history.config import load_pipeline
from headwater_history.notebook import finish, parameter
from headwater_history.snapshot import take_snapshots

# COMMAND ----------

pipeline = load_pipeline().select(parameter(dbutils, "tables"))
finish(dbutils, take_snapshots(spark, pipeline, parameter(dbutils, "as_of")))
