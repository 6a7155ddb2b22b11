"""Unity Catalog: credentials, locations, catalogs, schemas, volumes, tables and grants."""
