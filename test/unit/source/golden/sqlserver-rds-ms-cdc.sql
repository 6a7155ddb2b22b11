-- everything below is about this database
USE [Shop db];
GO

-- change capture needs Enterprise, Standard (2016 SP1 or later) or Developer; Web can only be loaded in full, Express not read at all
IF CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Express%' OR CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Web%' OR CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Workgroup%'
  THROW 50000, N'This edition of SQL Server has no change capture for DMS: use Enterprise, Standard or Developer (Web: full load only).', 1;
GO

-- with recovery model SIMPLE the log is cut before DMS has read it; looked at, not set, since FULL needs backups of the log
IF EXISTS (SELECT 1 FROM sys.databases WHERE name = N'Shop db' AND recovery_model_desc = N'SIMPLE')
  THROW 50000, N'The database''s recovery model is SIMPLE. Turn automated backups of the instance on.', 1;
GO

-- a login of DMS's own; SQL Server leaves statements with passwords out of its traces
IF SUSER_ID(N'headwater_shop') IS NULL
  CREATE LOGIN [headwater_shop] WITH PASSWORD = N'<password of the DMS user>', CHECK_EXPIRATION = OFF;
GO

-- its user in the database
IF USER_ID(N'headwater_shop') IS NULL
  CREATE USER [headwater_shop] FOR LOGIN [headwater_shop];
GO

-- DMS's user may read Shop.Order-Lines
GRANT SELECT ON [Shop].[Order-Lines] TO [headwater_shop];
GO

-- DMS's user may read Shop.customers
GRANT SELECT ON [Shop].[customers] TO [headwater_shop];
GO

-- DMS reads the log by a function that only the owner's role may use
ALTER ROLE db_owner ADD MEMBER [headwater_shop];
GO

-- DMS looks at the server's state
USE master;
GO

-- DMS looks at open transactions and the log's state
GRANT VIEW SERVER STATE TO [headwater_shop];
GO

-- back to the database
USE [Shop db];
GO

-- change capture of the whole database; taking it back ends everybody's capture of any of its tables
IF EXISTS (SELECT 1 FROM sys.databases WHERE name = N'Shop db' AND is_cdc_enabled = 0)
BEGIN
  EXEC msdb.dbo.rds_cdc_enable_db N'Shop db';
END;
GO

-- changes of Shop.Order-Lines are logged whole: by its primary key, else by a unique index on the pipeline's keys
IF NOT EXISTS (SELECT 1 FROM sys.tables WHERE object_id = OBJECT_ID(N'[Shop].[Order-Lines]') AND is_tracked_by_cdc = 1)
BEGIN
  DECLARE @key_index sysname = (SELECT TOP (1) i.name FROM sys.indexes AS i
    WHERE i.object_id = OBJECT_ID(N'[Shop].[Order-Lines]') AND i.is_unique = 1 AND i.is_disabled = 0 AND i.has_filter = 0
      AND (SELECT COUNT(*) FROM sys.index_columns AS c
      JOIN sys.columns AS k ON k.object_id = c.object_id AND k.column_id = c.column_id
      WHERE c.object_id = i.object_id AND c.index_id = i.index_id AND c.is_included_column = 0 AND k.is_nullable = 0 AND k.name IN (N'Order''s id', N'line')) = 2
      AND (SELECT COUNT(*) FROM sys.index_columns AS c
      JOIN sys.columns AS k ON k.object_id = c.object_id AND k.column_id = c.column_id
      WHERE c.object_id = i.object_id AND c.index_id = i.index_id AND c.is_included_column = 0) = 2
    ORDER BY i.name);
  IF EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[Shop].[Order-Lines]') AND is_primary_key = 1)
    EXEC sys.sp_cdc_enable_table @source_schema = N'Shop', @source_name = N'Order-Lines', @role_name = NULL, @supports_net_changes = 1;
  ELSE IF @key_index IS NOT NULL
    EXEC sys.sp_cdc_enable_table @source_schema = N'Shop', @source_name = N'Order-Lines', @role_name = NULL, @index_name = @key_index, @supports_net_changes = 1;
  ELSE
    THROW 50000, N'Shop.Order-Lines has neither a primary key nor a unique index of NOT NULL columns on the pipeline''s keys (Order''s id, line), or does not exist: add one, or correct the pipeline.', 1;
END;
GO

-- changes of Shop.customers are logged whole: by its primary key, else by a unique index on the pipeline's keys
IF NOT EXISTS (SELECT 1 FROM sys.tables WHERE object_id = OBJECT_ID(N'[Shop].[customers]') AND is_tracked_by_cdc = 1)
BEGIN
  DECLARE @key_index sysname = (SELECT TOP (1) i.name FROM sys.indexes AS i
    WHERE i.object_id = OBJECT_ID(N'[Shop].[customers]') AND i.is_unique = 1 AND i.is_disabled = 0 AND i.has_filter = 0
      AND (SELECT COUNT(*) FROM sys.index_columns AS c
      JOIN sys.columns AS k ON k.object_id = c.object_id AND k.column_id = c.column_id
      WHERE c.object_id = i.object_id AND c.index_id = i.index_id AND c.is_included_column = 0 AND k.is_nullable = 0 AND k.name IN (N'id')) = 1
      AND (SELECT COUNT(*) FROM sys.index_columns AS c
      JOIN sys.columns AS k ON k.object_id = c.object_id AND k.column_id = c.column_id
      WHERE c.object_id = i.object_id AND c.index_id = i.index_id AND c.is_included_column = 0) = 1
    ORDER BY i.name);
  IF EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[Shop].[customers]') AND is_primary_key = 1)
    EXEC sys.sp_cdc_enable_table @source_schema = N'Shop', @source_name = N'customers', @role_name = NULL, @supports_net_changes = 1;
  ELSE IF @key_index IS NOT NULL
    EXEC sys.sp_cdc_enable_table @source_schema = N'Shop', @source_name = N'customers', @role_name = NULL, @index_name = @key_index, @supports_net_changes = 1;
  ELSE
    THROW 50000, N'Shop.customers has neither a primary key nor a unique index of NOT NULL columns on the pipeline''s keys (id), or does not exist: add one, or correct the pipeline.', 1;
END;
GO

-- what the capture job has read may be cut from the log, so it reads every 3599 s: so long DMS may lag. The change takes a restart of the job
DECLARE @jobs TABLE (job_id uniqueidentifier, job_type nvarchar(20), job_name sysname, maxtrans int, maxscans int,
  continuous bit, pollinginterval bigint, retention bigint, threshold bigint);
INSERT INTO @jobs EXEC sys.sp_cdc_help_jobs;
IF NOT EXISTS (SELECT 1 FROM @jobs WHERE job_type = N'capture' AND pollinginterval = 3599)
BEGIN
  EXEC sys.sp_cdc_change_job @job_type = N'capture', @pollinginterval = 3599;
  EXEC sys.sp_cdc_stop_job N'capture';
  EXEC sys.sp_cdc_start_job N'capture';
END;
GO

-- after a failover the standby makes the capture job anew, and takes its interval from here
EXEC rdsadmin..rds_set_configuration N'cdc_capture_pollinginterval', 3599;
GO
