"""Jobs: settings, runs, triggers and the API."""
