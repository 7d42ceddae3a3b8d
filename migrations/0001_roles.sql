-- The four roles of the ledger, and what each session of theirs is allowed to wait for.
--
-- Roles belong to the cluster, migrations to a database: this file runs once per database, and again for the next
-- database of the same cluster. So it is idempotent, and it takes a lock that all databases of a cluster share (a lock
-- on a shared catalog; an advisory lock would be seen by one database only). The mode lets sign-ins pass.
-- Without superuser rights the lock cannot be had: then only one database may migrate at a time.
DO $$
BEGIN
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END
$$;

DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['chronos_writer', 'chronos_relay', 'chronos_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT', wanted);
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'chronos_owner') THEN
    CREATE ROLE chronos_owner NOLOGIN;
  END IF;
  IF NOT pg_catalog.pg_has_role(current_user, 'chronos_owner', 'SET') THEN
    EXECUTE format('GRANT chronos_owner TO %I', current_user);
  END IF;
END
$$;

-- A command waits at most 3 s for locks, 4 s for one statement and 5 s in all; "final" reads rely on the 5 s.
ALTER ROLE chronos_writer SET lock_timeout = '3s';
ALTER ROLE chronos_writer SET statement_timeout = '4s';
ALTER ROLE chronos_writer SET transaction_timeout = '5s';
ALTER ROLE chronos_writer SET idle_in_transaction_session_timeout = '2s';

-- The relay writes checkpoints only: a lost one is published again, so it need not wait for the disk.
ALTER ROLE chronos_relay SET lock_timeout = '1s';
ALTER ROLE chronos_relay SET statement_timeout = '10s';
ALTER ROLE chronos_relay SET transaction_timeout = '30s';
ALTER ROLE chronos_relay SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE chronos_relay SET synchronous_commit = 'off';

-- A reader may keep one snapshot while it walks the whole journal, page by page.
ALTER ROLE chronos_reader SET default_transaction_read_only = 'on';
ALTER ROLE chronos_reader SET lock_timeout = '3s';
ALTER ROLE chronos_reader SET statement_timeout = '60s';
ALTER ROLE chronos_reader SET idle_in_transaction_session_timeout = '60s';

GRANT USAGE, CREATE ON SCHEMA public TO chronos_owner;
GRANT USAGE ON SCHEMA public TO chronos_writer, chronos_relay, chronos_reader;
GRANT SELECT ON schema_migrations TO chronos_writer, chronos_relay, chronos_reader;
