SET DEFINE OFF

-- DMS reads changes from archived logs as well; the mode takes a restart, so it is looked at, not set
DECLARE
  log_mode_found VARCHAR2(12);
BEGIN
  SELECT log_mode INTO log_mode_found FROM v$database;
  IF log_mode_found <> 'ARCHIVELOG' THEN
    RAISE_APPLICATION_ERROR(-20001, 'The database is not in ARCHIVELOG mode. Turn automated backups of the instance on.');
  END IF;
END;
/

-- RDS deletes archived logs as soon as it can; they are kept for 24 hours. Look before: rdsadmin.rdsadmin_util.show_configuration
BEGIN
  rdsadmin.rdsadmin_util.set_configuration(name => 'archivelog retention hours', value => '24');
  COMMIT;
END;
/

-- without minimal supplemental logging the log does not say which row a change is of
DECLARE
  logged VARCHAR2(8);
BEGIN
  SELECT supplemental_log_data_min INTO logged FROM v$database;
  IF logged = 'NO' THEN
    rdsadmin.rdsadmin_util.alter_supplemental_logging('ADD');
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

-- DMS asks RDS for its log files
GRANT EXECUTE ON rdsadmin.rdsadmin_util TO "HEADWATER_SHOP";

-- DMS's user may read ALL_CATALOG
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_CATALOG', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_CONS_COLUMNS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_CONS_COLUMNS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_CONSTRAINTS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_CONSTRAINTS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_ENCRYPTED_COLUMNS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_ENCRYPTED_COLUMNS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_IND_COLUMNS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_IND_COLUMNS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_INDEXES
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_INDEXES', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_LOG_GROUPS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_LOG_GROUPS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_OBJECTS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_OBJECTS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_TAB_COLS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_TAB_COLS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_TAB_PARTITIONS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_TAB_PARTITIONS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_TABLES
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_TABLES', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_USERS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_USERS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read ALL_VIEWS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('ALL_VIEWS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read DBA_REGISTRY
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('DBA_REGISTRY', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read OBJ$
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('OBJ$', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$ARCHIVED_LOG
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$ARCHIVED_LOG', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$CONTAINERS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$CONTAINERS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$DATABASE
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$DATABASE', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$LOG
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$LOG', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$LOGFILE
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$LOGFILE', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$LOGMNR_CONTENTS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$LOGMNR_CONTENTS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$LOGMNR_LOGS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$LOGMNR_LOGS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$NLS_PARAMETERS
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$NLS_PARAMETERS', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$PARAMETER
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$PARAMETER', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$THREAD
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$THREAD', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$TIMEZONE_NAMES
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$TIMEZONE_NAMES', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may read V_$TRANSACTION
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('V_$TRANSACTION', 'HEADWATER_SHOP', 'SELECT');
END;
/

-- DMS's user may use DBMS_LOGMNR
BEGIN
  rdsadmin.rdsadmin_util.grant_sys_object('DBMS_LOGMNR', 'HEADWATER_SHOP', 'EXECUTE');
END;
/

-- DMS's user may read SHOP.Order-Lines, and no table that is not the pipeline's
GRANT SELECT ON "SHOP"."Order-Lines" TO "HEADWATER_SHOP";

-- DMS's user may read SHOP.customers, and no table that is not the pipeline's
GRANT SELECT ON "SHOP"."customers" TO "HEADWATER_SHOP";
