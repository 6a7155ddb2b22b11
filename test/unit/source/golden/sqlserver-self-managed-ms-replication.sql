-- everything below is about this database
USE [Shop db];
GO

-- change capture needs Enterprise, Standard (2016 SP1 or later) or Developer; Web can only be loaded in full, Express not read at all
IF CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Express%' OR CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Web%' OR CAST(SERVERPROPERTY(N'Edition') AS nvarchar(128)) LIKE N'Workgroup%'
  THROW 50000, N'This edition of SQL Server has no change capture for DMS: use Enterprise, Standard or Developer (Web: full load only).', 1;
GO

-- capture and log reader are jobs of SQL Server Agent
IF NOT EXISTS (SELECT 1 FROM sys.dm_server_services WHERE servicename LIKE N'SQL Server Agent%' AND status = 4)
  THROW 50000, N'SQL Server Agent is not running: start it, and have it start with the server.', 1;
GO

-- with recovery model SIMPLE the log is cut before DMS has read it; looked at, not set, since FULL needs backups of the log
IF EXISTS (SELECT 1 FROM sys.databases WHERE name = N'Shop db' AND recovery_model_desc = N'SIMPLE')
  THROW 50000, N'The database''s recovery model is SIMPLE. ALTER DATABASE ... SET RECOVERY FULL, take a full backup, and back the log up regularly, as it is no longer cut by itself.', 1;
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

-- grants in master need a user there
IF USER_ID(N'headwater_shop') IS NULL
  CREATE USER [headwater_shop] FOR LOGIN [headwater_shop];
GO

-- DMS reads the log by this function
GRANT SELECT ON sys.fn_dblog TO [headwater_shop];
GO

-- jobs and backups are in msdb
USE msdb;
GO

-- grants in msdb need a user there
IF USER_ID(N'headwater_shop') IS NULL
  CREATE USER [headwater_shop] FOR LOGIN [headwater_shop];
GO

-- DMS holds up the job that cuts the log
GRANT EXECUTE ON msdb.dbo.sp_stop_job TO [headwater_shop];
GO

-- and lets it go on
GRANT EXECUTE ON msdb.dbo.sp_start_job TO [headwater_shop];
GO

-- DMS finds its place in backups of the log
GRANT SELECT ON msdb.dbo.backupset TO [headwater_shop];
GO

-- DMS finds its place in backups of the log
GRANT SELECT ON msdb.dbo.backupmediafamily TO [headwater_shop];
GO

-- DMS finds its place in backups of the log
GRANT SELECT ON msdb.dbo.backupfile TO [headwater_shop];
GO

-- back to the database
USE [Shop db];
GO

-- MS-Replication goes through a distributor; where there is none, this server becomes its own. Nobody needs its password again
IF NOT EXISTS (SELECT 1 FROM sys.servers WHERE is_distributor = 1)
BEGIN
  DECLARE @server sysname = CAST(SERVERPROPERTY(N'ServerName') AS sysname);
  DECLARE @secret sysname = CONCAT(N'hW1-', NEWID());
  EXEC master.sys.sp_adddistributor @distributor = @server, @password = @secret;
  EXEC master.sys.sp_adddistributiondb @database = N'distribution', @security_mode = 1;
  EXEC master.sys.sp_adddistpublisher @publisher = @server, @distribution_db = N'distribution', @security_mode = 1;
END;
GO

-- the database may be published from
IF EXISTS (SELECT 1 FROM sys.databases WHERE name = N'Shop db' AND is_published = 0)
BEGIN
  EXEC sys.sp_replicationdboption @dbname = N'Shop db', @optname = N'publish', @value = N'true';
END;
GO

-- without sysadmin DMS makes no publication, but uses the one of this name
DECLARE @publication sysname = CONCAT(N'AR_PUBLICATION_', RIGHT(CONCAT(N'00000', DB_ID()), 5));
IF NOT EXISTS (SELECT 1 FROM distribution.dbo.MSlogreader_agents WHERE publisher_db = N'Shop db')
BEGIN
  EXEC sys.sp_addlogreader_agent @publisher_security_mode = 1;
END;
IF NOT EXISTS (SELECT 1 FROM dbo.syspublications WHERE name = @publication)
BEGIN
  EXEC sys.sp_addpublication @publication = @publication, @status = N'active', @repl_freq = N'continuous',
    @sync_method = N'native', @independent_agent = N'true', @immediate_sync = N'true', @allow_anonymous = N'true', @allow_push = N'true';
  EXEC sys.sp_addpublication_snapshot @publication = @publication, @publisher_security_mode = 1;
END;
GO

-- Shop.Order-Lines is published, which makes the log hold its rows whole; it takes a primary key
DECLARE @publication sysname = CONCAT(N'AR_PUBLICATION_', RIGHT(CONCAT(N'00000', DB_ID()), 5));
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[Shop].[Order-Lines]') AND is_primary_key = 1)
  THROW 50000, N'Shop.Order-Lines has no primary key, or does not exist: MS-Replication needs one. Add it, or use MS-CDC.', 1;
IF NOT EXISTS (SELECT 1 FROM dbo.sysarticles AS a JOIN dbo.syspublications AS p ON p.pubid = a.pubid
    WHERE p.name = @publication AND a.objid = OBJECT_ID(N'[Shop].[Order-Lines]'))
BEGIN
  EXEC sys.sp_addarticle @publication = @publication, @article = N'Shop.Order-Lines', @source_owner = N'Shop',
    @source_object = N'Order-Lines', @type = N'logbased', @force_invalidate_snapshot = 1;
END;
GO

-- Shop.customers is published, which makes the log hold its rows whole; it takes a primary key
DECLARE @publication sysname = CONCAT(N'AR_PUBLICATION_', RIGHT(CONCAT(N'00000', DB_ID()), 5));
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[Shop].[customers]') AND is_primary_key = 1)
  THROW 50000, N'Shop.customers has no primary key, or does not exist: MS-Replication needs one. Add it, or use MS-CDC.', 1;
IF NOT EXISTS (SELECT 1 FROM dbo.sysarticles AS a JOIN dbo.syspublications AS p ON p.pubid = a.pubid
    WHERE p.name = @publication AND a.objid = OBJECT_ID(N'[Shop].[customers]'))
BEGIN
  EXEC sys.sp_addarticle @publication = @publication, @article = N'Shop.customers', @source_owner = N'Shop',
    @source_object = N'customers', @type = N'logbased', @force_invalidate_snapshot = 1;
END;
GO

-- DMS's user is on the publication's access list
DECLARE @publication sysname = CONCAT(N'AR_PUBLICATION_', RIGHT(CONCAT(N'00000', DB_ID()), 5));
EXEC sys.sp_grant_publication_access @publication = @publication, @login = N'headwater_shop';
GO
