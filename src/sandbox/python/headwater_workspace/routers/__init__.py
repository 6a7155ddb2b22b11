"""The workspace's APIs outside Unity Catalog and jobs."""
