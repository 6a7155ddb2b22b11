DROP USER IF EXISTS `headwater_shop`@`%`;

-- by hand, if nobody else needs it. It was: RDS throws the log away as soon as it can; binlog_format, binlog_row_image and backups are the parameter group's and instance's
-- CALL mysql.rds_set_configuration('binlog retention hours', NULL)
