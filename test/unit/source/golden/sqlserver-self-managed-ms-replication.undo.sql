USE msdb;
IF USER_ID(N'headwater_shop') IS NOT NULL
  DROP USER [headwater_shop];
GO

USE master;
IF USER_ID(N'headwater_shop') IS NOT NULL
  DROP USER [headwater_shop];
GO

USE [Shop db];
IF USER_ID(N'headwater_shop') IS NOT NULL
  DROP USER [headwater_shop];
GO

IF SUSER_ID(N'headwater_shop') IS NOT NULL
  DROP LOGIN [headwater_shop];
GO

-- by hand, if nobody else needs it. It was: Shop.customers is published, which makes the log hold its rows whole; it takes a primary key
-- DECLARE @publication sysname = CONCAT(N'AR_PUBLICATION_', RIGHT(CONCAT(N'00000', DB_ID()), 5));
-- EXEC sys.sp_droparticle @publication = @publication, @article = N'Shop.customers', @force_invalidate_snapshot = 1

-- by hand, if nobody else needs it. It was: Shop.Order-Lines is published, which makes the log hold its rows whole; it takes a primary key
-- DECLARE @publication sysname = CONCAT(N'AR_PUBLICATION_', RIGHT(CONCAT(N'00000', DB_ID()), 5));
-- EXEC sys.sp_droparticle @publication = @publication, @article = N'Shop.Order-Lines', @force_invalidate_snapshot = 1

-- by hand, if nobody else needs it. It was: without sysadmin DMS makes no publication, but uses the one of this name
-- DECLARE @publication sysname = CONCAT(N'AR_PUBLICATION_', RIGHT(CONCAT(N'00000', DB_ID()), 5));
-- EXEC sys.sp_droppublication @publication = @publication

-- by hand, if nobody else needs it. It was: the database may be published from
-- EXEC sys.sp_replicationdboption @dbname = N'Shop db', @optname = N'publish', @value = N'false'

-- by hand, if nobody else needs it. It was: MS-Replication goes through a distributor; where there is none, this server becomes its own. Nobody needs its password again
-- EXEC master.sys.sp_dropdistributor @no_checks = 1
