# Databricks notebook source
# MAGIC %md
# MAGIC # Apply
# MAGIC Reads the change files that DMS wrote into the incoming volumes, keeps each table's history, and moves the files
# MAGIC to the processed volumes. Parameter `tables`: a comma list; empty for all. May be killed and run again at any time.

# COMMAND ----------

from headwater_history.config import load_pipeline
from headwater_history.files import DbutilsFiles
from headwater_history.notebook import finish, parameter
from headwater_history.run import apply

# COMMAND ----------

pipeline = load_pipeline().select(parameter(dbutils, "tables"))
finish(dbutils, apply(spark, DbutilsFiles(dbutils), pipeline).as_json())
