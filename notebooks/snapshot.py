# Databricks notebook source
# MAGIC %md
# MAGIC # Snapshot
# MAGIC Writes `<table>__snapshot`: what each table held at the moment `as_of`, which is either
# MAGIC `yyyy-MM-dd HH:mm:ss[.ffffff]` in UTC or ISO 8601 with a zone. Parameter `tables`: a comma list; empty for all.

# COMMAND ----------

from headwater_history.config import load_pipeline
from headwater_history.notebook import finish, parameter
from headwater_history.snapshot import take_snapshots

# COMMAND ----------

pipeline = load_pipeline().select(parameter(dbutils, "tables"))
finish(dbutils, take_snapshots(spark, pipeline, parameter(dbutils, "as_of")))
