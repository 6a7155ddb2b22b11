"""Runs notebooks: a process each, on the Spark host."""
