SET DEFINE OFF

-- DMS reads changes from archived logs as well; the mode takes a restart, so it is looked at, not set
DECLARE
  log_mode_found VARCHAR2(12);
BEGIN
  SELECT log_mode INTO log_mode_found FROM v$database;
  IF log_mode_found <> 'ARCHIVELOG' THEN
    RAISE_APPLICATION_ERROR(-20001, 'The database is not in ARCHIVELOG mode. SHUTDOWN IMMEDIATE, STARTUP MOUNT, ALTER DATABASE ARCHIVELOG, ALTER DATABASE OPEN.');
  END IF;
END;
/

-- without minimal supplemental logging the log does not say which row a change is of
DECLARE
  logged VARCHAR2(8);
BEGIN
  SELECT supplemental_log_data_min INTO logged FROM v$database;
  IF logged = 'NO' THEN
    EXECUTE IMMEDIATE 'ALTER DATABASE ADD SUPPLEMENTAL LOG DATA';
  END IF;
END;
/

-- changes of SHOP.Order-Lines are logged with all columns; with the key's only, a file would hold NULL for what did not change
DECLARE
  found NUMBER;
BEGIN
  SELECT COUNT(*) INTO found FROM all_log_groups
    WHERE owner = 'SHOP' AND table_name = 'Order-Lines' AND log_group_type = 'ALL COLUMN LOGGING';
  IF found = 0 THEN
    EXECUTE IMMEDIATE 'ALTER TABLE "SHOP"."Order-Lines" ADD SUPPLEMENTAL LOG DATA (ALL) COLUMNS';
  END IF;
END;
/

-- changes of SHOP.customers are logged with all columns; with the key's only, a file would hold NULL for what did not change
DECLARE
  found NUMBER;
BEGIN
  SELECT COUNT(*) INTO found FROM all_log_groups
    WHERE owner = 'SHOP' AND table_name = 'customers' AND log_group_type = 'ALL COLUMN LOGGING';
  IF found = 0 THEN
    EXECUTE IMMEDIATE 'ALTER TABLE "SHOP"."customers" ADD SUPPLEMENTAL LOG DATA (ALL) COLUMNS';
  END IF;
END;
/

-- a user of DMS's own
DECLARE
  found NUMBER;
BEGIN
  SELECT COUNT(*) INTO found FROM all_users WHERE username = 'HEADWATER_SHOP';
  IF found = 0 THEN
    EXECUTE IMMEDIATE 'CREATE USER "HEADWATER_SHOP" IDENTIFIED BY "<password of the DMS user>"';
  END IF;
END;
/

-- DMS's user may log in
GRANT CREATE SESSION TO "HEADWATER_SHOP";

-- LogMiner shows whose transactions it reads
GRANT SELECT ANY TRANSACTION TO "HEADWATER_SHOP";

-- LogMiner may be used (12c and later)
GRANT LOGMINING TO "HEADWATER_SHOP";

-- DMS's user may read DBA_TABLESPACES
GRANT SELECT ON DBA_TABLESPACES TO "HEADWATER_SHOP";

-- DMS's user may read ALL_CATALOG
GRANT SELECT ON "SYS"."ALL_CATALOG" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_CONS_COLUMNS
GRANT SELECT ON "SYS"."ALL_CONS_COLUMNS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_CONSTRAINTS
GRANT SELECT ON "SYS"."ALL_CONSTRAINTS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_ENCRYPTED_COLUMNS
GRANT SELECT ON "SYS"."ALL_ENCRYPTED_COLUMNS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_IND_COLUMNS
GRANT SELECT ON "SYS"."ALL_IND_COLUMNS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_INDEXES
GRANT SELECT ON "SYS"."ALL_INDEXES" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_LOG_GROUPS
GRANT SELECT ON "SYS"."ALL_LOG_GROUPS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_OBJECTS
GRANT SELECT ON "SYS"."ALL_OBJECTS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_TAB_COLS
GRANT SELECT ON "SYS"."ALL_TAB_COLS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_TAB_PARTITIONS
GRANT SELECT ON "SYS"."ALL_TAB_PARTITIONS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_TABLES
GRANT SELECT ON "SYS"."ALL_TABLES" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_USERS
GRANT SELECT ON "SYS"."ALL_USERS" TO "HEADWATER_SHOP";

-- DMS's user may read ALL_VIEWS
GRANT SELECT ON "SYS"."ALL_VIEWS" TO "HEADWATER_SHOP";

-- DMS's user may read DBA_REGISTRY
GRANT SELECT ON "SYS"."DBA_REGISTRY" TO "HEADWATER_SHOP";

-- DMS's user may read OBJ$
GRANT SELECT ON "SYS"."OBJ$" TO "HEADWATER_SHOP";

-- DMS's user may read V_$ARCHIVED_LOG
GRANT SELECT ON "SYS"."V_$ARCHIVED_LOG" TO "HEADWATER_SHOP";

-- DMS's user may read V_$CONTAINERS
GRANT SELECT ON "SYS"."V_$CONTAINERS" TO "HEADWATER_SHOP";

-- DMS's user may read V_$DATABASE
GRANT SELECT ON "SYS"."V_$DATABASE" TO "HEADWATER_SHOP";

-- DMS's user may read V_$LOG
GRANT SELECT ON "SYS"."V_$LOG" TO "HEADWATER_SHOP";

-- DMS's user may read V_$LOGFILE
GRANT SELECT ON "SYS"."V_$LOGFILE" TO "HEADWATER_SHOP";

-- DMS's user may read V_$LOGMNR_CONTENTS
GRANT SELECT ON "SYS"."V_$LOGMNR_CONTENTS" TO "HEADWATER_SHOP";

-- DMS's user may read V_$LOGMNR_LOGS
GRANT SELECT ON "SYS"."V_$LOGMNR_LOGS" TO "HEADWATER_SHOP";

-- DMS's user may read V_$NLS_PARAMETERS
GRANT SELECT ON "SYS"."V_$NLS_PARAMETERS" TO "HEADWATER_SHOP";

-- DMS's user may read V_$PARAMETER
GRANT SELECT ON "SYS"."V_$PARAMETER" TO "HEADWATER_SHOP";

-- DMS's user may read V_$THREAD
GRANT SELECT ON "SYS"."V_$THREAD" TO "HEADWATER_SHOP";

-- DMS's user may read V_$TIMEZONE_NAMES
GRANT SELECT ON "SYS"."V_$TIMEZONE_NAMES" TO "HEADWATER_SHOP";

-- DMS's user may read V_$TRANSACTION
GRANT SELECT ON "SYS"."V_$TRANSACTION" TO "HEADWATER_SHOP";

-- DMS's user may use DBMS_LOGMNR
GRANT EXECUTE ON "SYS"."DBMS_LOGMNR" TO "HEADWATER_SHOP";

-- DMS's user may read SHOP.Order-Lines, and no table that is not the pipeline's
GRANT SELECT ON "SHOP"."Order-Lines" TO "HEADWATER_SHOP";

-- DMS's user may read SHOP.customers, and no table that is not the pipeline's
GRANT SELECT ON "SHOP"."customers" TO "HEADWATER_SHOP";
