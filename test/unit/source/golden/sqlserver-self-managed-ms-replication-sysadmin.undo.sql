USE [Shop db];
IF USER_ID(N'headwater_shop') IS NOT NULL
  DROP USER [headwater_shop];
GO

IF SUSER_ID(N'headwater_shop') IS NOT NULL
  DROP LOGIN [headwater_shop];
GO

-- by hand, if nobody else needs it. It was: the database may be published from
-- EXEC sys.sp_replicationdboption @dbname = N'Shop db', @optname = N'publish', @value = N'false'

-- by hand, if nobody else needs it. It was: MS-Replication goes through a distributor; where there is none, this server becomes its own. Nobody needs its password again
-- EXEC master.sys.sp_dropdistributor @no_checks = 1
