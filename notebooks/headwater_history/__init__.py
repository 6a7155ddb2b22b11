"""Headwater's history engine: change files from DMS become versioned rows in Delta tables.

Imports the standard library and pyspark only (psycopg when exporting), and uses only what Spark Connect offers, so
that the same files run on classic clusters, serverless compute and the sandbox.
"""
