USE [Shop db];
IF USER_ID(N'headwater_shop') IS NOT NULL
  DROP USER [headwater_shop];
GO

IF SUSER_ID(N'headwater_shop') IS NOT NULL
  DROP LOGIN [headwater_shop];
GO

-- by hand, if nobody else needs it. It was: after a failover the standby makes the capture job anew, and takes its interval from here
-- EXEC rdsadmin..rds_set_configuration N'cdc_capture_pollinginterval', 5

-- by hand, if nobody else needs it. It was: what the capture job has read may be cut from the log, so it reads every 3599 s: so long DMS may lag. The change takes a restart of the job
-- EXEC sys.sp_cdc_change_job @job_type = N'capture', @pollinginterval = 5;
-- EXEC sys.sp_cdc_stop_job N'capture';
-- EXEC sys.sp_cdc_start_job N'capture'

-- by hand, if nobody else needs it. It was: changes of Shop.customers are logged whole: by its primary key, else by a unique index on the pipeline's keys
-- EXEC sys.sp_cdc_disable_table @source_schema = N'Shop', @source_name = N'customers', @capture_instance = N'all'

-- by hand, if nobody else needs it. It was: changes of Shop.Order-Lines are logged whole: by its primary key, else by a unique index on the pipeline's keys
-- EXEC sys.sp_cdc_disable_table @source_schema = N'Shop', @source_name = N'Order-Lines', @capture_instance = N'all'

-- by hand, if nobody else needs it. It was: change capture of the whole database; taking it back ends everybody's capture of any of its tables
-- EXEC msdb.dbo.rds_cdc_disable_db N'Shop db'
