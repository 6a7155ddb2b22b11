DROP USER IF EXISTS `headwater_shop`@`%`;

-- by hand, if nobody else needs it. It was: the log is kept for 24 hours, or longer where it is so already (0: for ever)
-- RESET PERSIST IF EXISTS binlog_expire_logs_seconds

-- by hand, if nobody else needs it. It was: DMS's guide asks for a log without checksums
-- RESET PERSIST IF EXISTS binlog_checksum

-- by hand, if nobody else needs it. It was: the log has to hold whole rows: an update with its changed columns only is no row in a file
-- RESET PERSIST IF EXISTS binlog_row_image

-- by hand, if nobody else needs it. It was: the log has to hold rows, not statements; open sessions keep their format to their end
-- RESET PERSIST IF EXISTS binlog_format
