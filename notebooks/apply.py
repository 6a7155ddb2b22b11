# Databricks notebook source
# MAGIC %md
# MAGIC # Apply
# MAGIC Reads the change files that DMS wrote into the incoming volumes, keeps each table's history, and moves the files
# MAGIC to the processed volumes. Parameter `tables`: a comma list; empty for all. Parameter `fold`: `auto` folds what is
# MAGIC due, `now` whatever is not folded. May be killed and run again at any time.

# COMMAND ----------

from headwater_history.config import load_pipeline
from headwater_history.files import DbutilsFiles
from headwater_history.notebook import choice, finish, parameter
from headwater_history.run import apply

# COMMAND ----------

pipeline = load_pipeline().select(parameter(dbutils, "tables"))
summary = apply(spark, DbutilsFiles(dbutils), pipeline, ask=choice(dbutils, "fold", "auto", "now"))
finish(dbutils, summary.as_json())
