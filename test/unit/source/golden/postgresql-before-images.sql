-- changes can be read from the log only at this level; it takes a restart, so it is looked at, not set
DO $do$
BEGIN
  IF current_setting('wal_level') <> 'logical' THEN
    RAISE EXCEPTION 'wal_level is %, not logical', current_setting('wal_level') USING HINT = 'Set rds.logical_replication = 1 in the instance''s parameter group and reboot it.';
  END IF;
END
$do$;

-- a user of DMS's own; the password is sent as a SCRAM verifier, so no log of the server holds it
DO $do$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'headwater_shop') THEN
    CREATE ROLE "headwater_shop" LOGIN PASSWORD '<password of the DMS user>';
  END IF;
END
$do$;

-- DMS's user may read the log
DO $do$
BEGIN
  IF NOT pg_has_role('headwater_shop', 'rds_replication', 'MEMBER') THEN
    GRANT "rds_replication" TO "headwater_shop";
  END IF;
END
$do$;

-- DMS's user may connect
DO $do$
BEGIN
  IF NOT has_database_privilege('headwater_shop', 'Shop db', 'CONNECT') THEN
    GRANT CONNECT ON DATABASE "Shop db" TO "headwater_shop";
  END IF;
END
$do$;

-- DMS's user may look into schema Shop
DO $do$
BEGIN
  IF NOT has_schema_privilege('headwater_shop', 'Shop', 'USAGE') THEN
    GRANT USAGE ON SCHEMA "Shop" TO "headwater_shop";
  END IF;
END
$do$;

-- DMS's user may read Shop.Order-Lines, and no table that is not the pipeline's
DO $do$
BEGIN
  IF NOT has_table_privilege('headwater_shop', '"Shop"."Order-Lines"', 'SELECT') THEN
    GRANT SELECT ON TABLE "Shop"."Order-Lines" TO "headwater_shop";
  END IF;
END
$do$;

-- DMS's user may read Shop.customers, and no table that is not the pipeline's
DO $do$
BEGIN
  IF NOT has_table_privilege('headwater_shop', '"Shop"."customers"', 'SELECT') THEN
    GRANT SELECT ON TABLE "Shop"."customers" TO "headwater_shop";
  END IF;
END
$do$;

-- Shop.Order-Lines logs all old values with each update and delete, as asked for
DO $do$
BEGIN
  IF (SELECT relreplident FROM pg_catalog.pg_class WHERE oid = '"Shop"."Order-Lines"'::regclass) <> 'f' THEN
    ALTER TABLE "Shop"."Order-Lines" REPLICA IDENTITY FULL;
  END IF;
END
$do$;

-- Shop.customers logs all old values with each update and delete, as asked for
DO $do$
BEGIN
  IF (SELECT relreplident FROM pg_catalog.pg_class WHERE oid = '"Shop"."customers"'::regclass) <> 'f' THEN
    ALTER TABLE "Shop"."customers" REPLICA IDENTITY FULL;
  END IF;
END
$do$;

-- exactly the pipeline's tables are published; run again after tables were added or taken out
DO $do$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = 'headwater_shop' AND puballtables) THEN
    RAISE EXCEPTION 'the publication % publishes all tables', 'headwater_shop' USING HINT = 'Drop it, or name another one.';
  ELSIF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = 'headwater_shop') THEN
    CREATE PUBLICATION "headwater_shop" FOR TABLE "Shop"."Order-Lines", "Shop"."customers";
  ELSIF EXISTS (
    (SELECT schemaname::text, tablename::text FROM pg_catalog.pg_publication_tables WHERE pubname = 'headwater_shop'
      EXCEPT VALUES ('Shop', 'Order-Lines'), ('Shop', 'customers'))
    UNION ALL
    (VALUES ('Shop', 'Order-Lines'), ('Shop', 'customers')
      EXCEPT SELECT schemaname::text, tablename::text FROM pg_catalog.pg_publication_tables WHERE pubname = 'headwater_shop')
  ) THEN
    ALTER PUBLICATION "headwater_shop" SET TABLE "Shop"."Order-Lines", "Shop"."customers";
  END IF;
END
$do$;
