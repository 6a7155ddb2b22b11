-- server
SELECT CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition, CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
  d.recovery_model_desc AS recovery_model, d.is_cdc_enabled AS cdc, d.is_published AS published, d.log_reuse_wait_desc AS log_waits_for,
  d.is_accelerated_database_recovery_on AS accelerated_recovery
FROM sys.databases AS d WHERE d.name = DB_NAME();
GO

-- agent
SELECT status_desc AS agent FROM sys.dm_server_services WHERE servicename LIKE N'SQL Server Agent%';
GO

-- backup
SELECT COUNT(*) AS full_backups FROM msdb.dbo.backupset WHERE database_name = DB_NAME() AND type = 'D';
GO

-- jobs
EXEC sys.sp_cdc_help_jobs;
GO

-- user
SELECT p.principal_id AS id, COALESCE(IS_ROLEMEMBER(N'db_owner', @p1), 0) AS owner, COALESCE(IS_SRVROLEMEMBER(N'sysadmin', @p1), 0) AS sysadmin
FROM sys.database_principals AS p WHERE p.name = @p1;
GO

-- serverState
SELECT COUNT(*) AS granted FROM sys.server_permissions AS g JOIN sys.server_principals AS p ON p.principal_id = g.grantee_principal_id
WHERE p.name = @p1 AND g.state IN ('G', 'W') AND g.permission_name IN (N'VIEW SERVER STATE', N'CONTROL SERVER');
GO

-- names
SELECT s.name AS schema_name, o.name AS table_name FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id WHERE o.type IN ('U', 'V') ORDER BY 1, 2;
GO

-- tables
SELECT s.name AS schema_name, o.name AS table_name,
  CASE WHEN o.type = 'V' THEN 'view' WHEN t.temporal_type <> 0 THEN 'temporal table' WHEN t.is_memory_optimized = 1 THEN 'memory-optimized table'
    WHEN EXISTS (SELECT 1 FROM sys.indexes AS i WHERE i.object_id = o.object_id AND i.type IN (5, 6)) THEN 'table with a columnstore index' ELSE 'table' END AS kind,
  t.is_tracked_by_cdc AS captured, t.is_replicated AS replicated,
  CASE WHEN EXISTS (SELECT 1 FROM sys.database_permissions AS g WHERE g.grantee_principal_id = USER_ID(@p2) AND g.state IN ('G', 'W') AND g.permission_name = N'SELECT'
      AND (g.class = 0 OR (g.class = 3 AND g.major_id = o.schema_id) OR (g.class = 1 AND g.major_id = o.object_id)))
    OR IS_ROLEMEMBER(N'db_owner', @p2) = 1 OR IS_ROLEMEMBER(N'db_datareader', @p2) = 1 THEN 1 ELSE 0 END AS readable
FROM OPENJSON(@p1) WITH (schema_name sysname '$[0]', table_name sysname '$[1]') AS w
JOIN sys.schemas AS s ON s.name = w.schema_name
JOIN sys.objects AS o ON o.schema_id = s.schema_id AND o.name = w.table_name AND o.type IN ('U', 'V')
LEFT JOIN sys.tables AS t ON t.object_id = o.object_id;
GO

-- columns
SELECT s.name AS schema_name, o.name AS table_name, c.name AS column_name, y.name AS type_name,
  CASE WHEN y.name IN (N'nchar', N'nvarchar') AND c.max_length > 0 THEN c.max_length / 2 WHEN c.max_length = -1 THEN NULL
    WHEN y.name IN (N'char', N'varchar', N'binary', N'varbinary') THEN c.max_length WHEN y.name IN (N'decimal', N'numeric') THEN c.precision END AS size,
  CASE WHEN c.is_computed = 1 THEN 'computed column' WHEN c.is_sparse = 1 THEN 'sparse column' END AS special
FROM OPENJSON(@p1) WITH (schema_name sysname '$[0]', table_name sysname '$[1]') AS w
JOIN sys.schemas AS s ON s.name = w.schema_name
JOIN sys.objects AS o ON o.schema_id = s.schema_id AND o.name = w.table_name AND o.type IN ('U', 'V')
JOIN sys.columns AS c ON c.object_id = o.object_id
JOIN sys.types AS y ON y.user_type_id = CASE WHEN c.system_type_id = 240 THEN c.user_type_id ELSE c.system_type_id END
ORDER BY s.name, o.name, c.column_id;
GO

-- keys
SELECT s.name AS schema_name, o.name AS table_name, i.name AS key_name, c.name AS column_name, i.is_primary_key AS is_primary,
  CASE WHEN c.is_nullable = 0 AND i.has_filter = 0 AND i.is_disabled = 0 THEN 1 ELSE 0 END AS tells_apart
FROM OPENJSON(@p1) WITH (schema_name sysname '$[0]', table_name sysname '$[1]') AS w
JOIN sys.schemas AS s ON s.name = w.schema_name
JOIN sys.tables AS o ON o.schema_id = s.schema_id AND o.name = w.table_name
JOIN sys.indexes AS i ON i.object_id = o.object_id AND i.is_unique = 1
JOIN sys.index_columns AS x ON x.object_id = i.object_id AND x.index_id = i.index_id AND x.is_included_column = 0
JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id
ORDER BY s.name, o.name, i.name, x.key_ordinal;
GO
