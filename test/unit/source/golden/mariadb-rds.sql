-- RDS throws the log away as soon as it can; binlog_format, binlog_row_image and backups are the parameter group's and instance's
CALL mysql.rds_set_configuration('binlog retention hours', GREATEST(24, COALESCE((SELECT CAST(value AS UNSIGNED) FROM mysql.rds_configuration WHERE name = 'binlog retention hours'), 0)));

-- a user of DMS's own; what is sent for the password is a hash of it
CREATE USER IF NOT EXISTS `headwater_shop`@`%` IDENTIFIED BY PASSWORD '<password of the DMS user>';

-- DMS's user may read the log and where it is; MySQL knows no smaller place than all databases for that
GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO `headwater_shop`@`%`;

-- DMS's user may read Shop.Order-Lines, and no table that is not the pipeline's
GRANT SELECT ON `Shop`.`Order-Lines` TO `headwater_shop`@`%`;

-- DMS's user may read Shop.customers, and no table that is not the pipeline's
GRANT SELECT ON `Shop`.`customers` TO `headwater_shop`@`%`;
