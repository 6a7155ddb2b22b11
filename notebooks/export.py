# Databricks notebook source
# MAGIC %md
# MAGIC # Export
# MAGIC Pushes the current rows of each table into the database that the stack's settings name, one transaction
# MAGIC per table. Parameter `tables`: a comma list; empty for all. The login comes from the stack's secret scope.

# COMMAND ----------

from headwater_history.config import load_pipeline
from headwater_history.export import export, read_credentials
from headwater_history.notebook import finish, parameter

# COMMAND ----------

pipeline = load_pipeline().select(parameter(dbutils, "tables"))
finish(dbutils, export(spark, pipeline, read_credentials(dbutils, pipeline)))
