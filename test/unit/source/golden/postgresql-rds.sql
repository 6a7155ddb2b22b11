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

-- Shop.Order-Lines logs its key with updates and deletes: by its primary key nothing is to do, else by a unique index
DO $do$
DECLARE
  keys text[];
  logged text[];
  usable text;
BEGIN
  keys := ARRAY['Order''s id', 'line']::text[];
  logged := CASE (SELECT relreplident FROM pg_catalog.pg_class WHERE oid = '"Shop"."Order-Lines"'::regclass)
    WHEN 'f' THEN keys
    WHEN 'd' THEN (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = '"Shop"."Order-Lines"'::regclass AND i.indisprimary)
    WHEN 'i' THEN (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = '"Shop"."Order-Lines"'::regclass AND i.indisreplident)
  END;
  IF logged IS NULL OR NOT logged @> keys THEN
    SELECT c.relname INTO usable FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = '"Shop"."Order-Lines"'::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
      GROUP BY c.relname HAVING bool_and(a.attnotnull) AND array_agg(a.attname::text) @> keys AND keys @> array_agg(a.attname::text)
      ORDER BY c.relname LIMIT 1;
    IF usable IS NULL THEN
      RAISE EXCEPTION 'the keys of % are neither its primary key nor a unique index of NOT NULL columns', 'Shop.Order-Lines'
        USING HINT = 'Add such an index, correct the keys in the pipeline, or ask for before images (REPLICA IDENTITY FULL).';
    END IF;
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', '"Shop"."Order-Lines"'::regclass, usable);
  END IF;
END
$do$;

-- Shop.customers logs its key with updates and deletes: by its primary key nothing is to do, else by a unique index
DO $do$
DECLARE
  keys text[];
  logged text[];
  usable text;
BEGIN
  keys := ARRAY['id']::text[];
  logged := CASE (SELECT relreplident FROM pg_catalog.pg_class WHERE oid = '"Shop"."customers"'::regclass)
    WHEN 'f' THEN keys
    WHEN 'd' THEN (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = '"Shop"."customers"'::regclass AND i.indisprimary)
    WHEN 'i' THEN (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = '"Shop"."customers"'::regclass AND i.indisreplident)
  END;
  IF logged IS NULL OR NOT logged @> keys THEN
    SELECT c.relname INTO usable FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = '"Shop"."customers"'::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
      GROUP BY c.relname HAVING bool_and(a.attnotnull) AND array_agg(a.attname::text) @> keys AND keys @> array_agg(a.attname::text)
      ORDER BY c.relname LIMIT 1;
    IF usable IS NULL THEN
      RAISE EXCEPTION 'the keys of % are neither its primary key nor a unique index of NOT NULL columns', 'Shop.customers'
        USING HINT = 'Add such an index, correct the keys in the pipeline, or ask for before images (REPLICA IDENTITY FULL).';
    END IF;
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', '"Shop"."customers"'::regclass, usable);
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

-- a position to start from. From now on the server keeps its log until this slot is read: drop it if DMS does not
SELECT pg_create_logical_replication_slot('headwater_shop', 'test_decoding')
WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = 'headwater_shop');
