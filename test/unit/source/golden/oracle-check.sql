-- database
SELECT log_mode, supplemental_log_data_min AS minimal_logging, database_role FROM v$database;

-- version
SELECT banner FROM v$version WHERE ROWNUM = 1;

-- container
SELECT SYS_CONTEXT('USERENV', 'CON_NAME') AS container FROM dual;

-- user
SELECT username FROM all_users WHERE username = :username;

-- privileges
SELECT privilege FROM session_privs;

-- names
SELECT owner AS schema_name, table_name FROM all_tables WHERE owner NOT IN ('SYS', 'SYSTEM', 'XDB', 'CTXSYS', 'MDSYS', 'OUTLN', 'RDSADMIN') ORDER BY 1, 2;

-- tables
SELECT t.owner AS schema_name, t.table_name,
  CASE WHEN t.temporary = 'Y' THEN 'temporary table' WHEN t.cluster_name IS NOT NULL THEN 'clustered table' WHEN t.iot_type = 'IOT_OVERFLOW' THEN 'overflow segment' ELSE 'table' END AS kind,
  (SELECT COUNT(*) FROM all_log_groups g WHERE g.owner = t.owner AND g.table_name = t.table_name AND g.log_group_type = 'ALL COLUMN LOGGING') AS all_columns_logged,
  (SELECT COUNT(*) FROM all_tab_privs p WHERE p.table_schema = t.owner AND p.table_name = t.table_name AND p.privilege IN ('SELECT', 'READ') AND p.grantee = :grantee) AS granted
FROM (SELECT j.schema_name, j.table_name FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (schema_name VARCHAR2(128) PATH '$[0]', table_name VARCHAR2(128) PATH '$[1]')) j) w JOIN all_tables t ON t.owner = w.schema_name AND t.table_name = w.table_name;

-- columns
SELECT c.owner AS schema_name, c.table_name, c.column_name, c.data_type AS type_name, COALESCE(c.data_precision, NULLIF(c.char_length, 0)) AS "size",
  CASE WHEN c.virtual_column = 'YES' THEN 'virtual column' END AS special
FROM (SELECT j.schema_name, j.table_name FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (schema_name VARCHAR2(128) PATH '$[0]', table_name VARCHAR2(128) PATH '$[1]')) j) w JOIN all_tab_cols c ON c.owner = w.schema_name AND c.table_name = w.table_name AND c.hidden_column = 'NO' ORDER BY 1, 2, c.column_id;

-- keys
SELECT i.table_owner AS schema_name, i.table_name, i.index_name AS key_name, x.column_name,
  CASE WHEN EXISTS (SELECT 1 FROM all_constraints k WHERE k.owner = i.table_owner AND k.table_name = i.table_name AND k.constraint_type = 'P' AND k.index_name = i.index_name) THEN 1 ELSE 0 END AS is_primary,
  CASE WHEN c.nullable = 'N' AND i.status <> 'UNUSABLE' THEN 1 ELSE 0 END AS tells_apart
FROM (SELECT j.schema_name, j.table_name FROM JSON_TABLE(:wanted, '$[*]' COLUMNS (schema_name VARCHAR2(128) PATH '$[0]', table_name VARCHAR2(128) PATH '$[1]')) j) w JOIN all_indexes i ON i.table_owner = w.schema_name AND i.table_name = w.table_name AND i.uniqueness = 'UNIQUE'
JOIN all_ind_columns x ON x.index_owner = i.owner AND x.index_name = i.index_name
JOIN all_tab_cols c ON c.owner = i.table_owner AND c.table_name = i.table_name AND c.column_name = x.column_name ORDER BY 1, 2, 3, x.column_position;
