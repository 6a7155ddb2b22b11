DECLARE
  found NUMBER;
BEGIN
  SELECT COUNT(*) INTO found FROM all_users WHERE username = 'HEADWATER_SHOP';
  IF found > 0 THEN
    EXECUTE IMMEDIATE 'DROP USER "HEADWATER_SHOP"';
  END IF;
END;
/

-- by hand, if nobody else needs it. It was: changes of SHOP.customers are logged with all columns; with the key's only, a file would hold NULL for what did not change
-- ALTER TABLE "SHOP"."customers" DROP SUPPLEMENTAL LOG DATA (ALL) COLUMNS

-- by hand, if nobody else needs it. It was: changes of SHOP.Order-Lines are logged with all columns; with the key's only, a file would hold NULL for what did not change
-- ALTER TABLE "SHOP"."Order-Lines" DROP SUPPLEMENTAL LOG DATA (ALL) COLUMNS

-- by hand, if nobody else needs it. It was: without minimal supplemental logging the log does not say which row a change is of
-- BEGIN
--   rdsadmin.rdsadmin_util.alter_supplemental_logging('DROP');
-- END;

-- by hand, if nobody else needs it. It was: RDS deletes archived logs as soon as it can; they are kept for 24 hours. Look before: rdsadmin.rdsadmin_util.show_configuration
-- BEGIN
--   rdsadmin.rdsadmin_util.set_configuration(name => 'archivelog retention hours', value => '0');
--   COMMIT;
-- END;
