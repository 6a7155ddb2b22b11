"""The sandbox's Databricks workspace: minilake with routers of our own, and the Spark host behind them."""
