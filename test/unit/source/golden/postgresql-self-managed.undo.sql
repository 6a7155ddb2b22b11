SELECT pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = 'headwater_shop';

DROP PUBLICATION IF EXISTS "headwater_shop";

DO $do$
DECLARE
  held text;
BEGIN
  FOR held IN
    SELECT format('TABLE %s', c.oid::regclass) FROM pg_catalog.pg_class c, aclexplode(c.relacl) a, pg_catalog.pg_roles r
      WHERE r.oid = a.grantee AND r.rolname = 'headwater_shop'
    UNION SELECT format('SCHEMA %I', n.nspname) FROM pg_catalog.pg_namespace n, aclexplode(n.nspacl) a, pg_catalog.pg_roles r
      WHERE r.oid = a.grantee AND r.rolname = 'headwater_shop'
    UNION SELECT format('DATABASE %I', d.datname) FROM pg_catalog.pg_database d, aclexplode(d.datacl) a, pg_catalog.pg_roles r
      WHERE r.oid = a.grantee AND r.rolname = 'headwater_shop' AND d.datname = current_database()
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %I', held, 'headwater_shop');
  END LOOP;
  DROP ROLE IF EXISTS "headwater_shop";
END
$do$;

-- by hand, if nobody else needs it. It was: Shop.customers logs its key with updates and deletes: by its primary key nothing is to do, else by a unique index
-- ALTER TABLE "Shop"."customers" REPLICA IDENTITY DEFAULT

-- by hand, if nobody else needs it. It was: Shop.Order-Lines logs its key with updates and deletes: by its primary key nothing is to do, else by a unique index
-- ALTER TABLE "Shop"."Order-Lines" REPLICA IDENTITY DEFAULT
