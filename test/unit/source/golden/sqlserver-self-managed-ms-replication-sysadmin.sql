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

-- DMS makes the publication itself, which takes sysadmin
ALTER SERVER ROLE sysadmin ADD MEMBER [headwater_shop];
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
