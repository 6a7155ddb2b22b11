DROP USER IF EXISTS `headwater_shop`@`%`;

-- by hand, if nobody else needs it. It was: the log is kept for 24 hours, or longer where it is so already (0: for ever); write it into the server's configuration too, to outlast a restart
-- SET GLOBAL binlog_expire_logs_seconds = DEFAULT

-- by hand, if nobody else needs it. It was: DMS's guide asks for a log without checksums; write it into the server's configuration too, to outlast a restart
-- SET GLOBAL binlog_checksum = DEFAULT

-- by hand, if nobody else needs it. It was: the log has to hold whole rows: an update with its changed columns only is no row in a file; write it into the server's configuration too, to outlast a restart
-- SET GLOBAL binlog_row_image = DEFAULT

-- by hand, if nobody else needs it. It was: the log has to hold rows, not statements; open sessions keep their format to their end; write it into the server's configuration too, to outlast a restart
-- SET GLOBAL binlog_format = DEFAULT
