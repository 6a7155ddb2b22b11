-- the log has to hold rows, not statements; open sessions keep their format to their end; write it into the server's configuration too, to outlast a restart
SET GLOBAL binlog_format = 'ROW';

-- the log has to hold whole rows: an update with its changed columns only is no row in a file; write it into the server's configuration too, to outlast a restart
SET GLOBAL binlog_row_image = 'FULL';

-- DMS's guide asks for a log without checksums; write it into the server's configuration too, to outlast a restart
SET GLOBAL binlog_checksum = 'NONE';

-- the log is kept for 24 hours, or longer where it is so already (0: for ever); write it into the server's configuration too, to outlast a restart
SET GLOBAL binlog_expire_logs_seconds = IF(@@GLOBAL.binlog_expire_logs_seconds = 0, 0, GREATEST(@@GLOBAL.binlog_expire_logs_seconds, 86400));

-- a user of DMS's own; what is sent for the password is a hash of it
CREATE USER IF NOT EXISTS `headwater_shop`@`%` IDENTIFIED BY PASSWORD '<password of the DMS user>';

-- DMS's user may read the log and where it is; MySQL knows no smaller place than all databases for that
GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO `headwater_shop`@`%`;

-- DMS's user may read Shop.Order-Lines, and no table that is not the pipeline's
GRANT SELECT ON `Shop`.`Order-Lines` TO `headwater_shop`@`%`;

-- DMS's user may read Shop.customers, and no table that is not the pipeline's
GRANT SELECT ON `Shop`.`customers` TO `headwater_shop`@`%`;
