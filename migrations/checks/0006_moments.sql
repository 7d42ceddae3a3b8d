-- Run after 0006_moments.sql: each query names what is wrong, so no rows mean that all is well.
SELECT 'index events_value_date is missing' AS wrong
WHERE NOT EXISTS (
  SELECT FROM pg_index
  WHERE indexrelid = to_regclass('events_value_date') AND indisvalid AND indpred IS NOT NULL AND indnatts = 3
);

SELECT 'version_at does not keep to the snapshot of its statement' AS wrong
FROM pg_proc
WHERE proname = 'version_at' AND provolatile <> 's';

SELECT role_name || ' may not call version_at' AS wrong
FROM unnest(ARRAY['chronos_writer', 'chronos_relay', 'chronos_reader']) AS role_name
WHERE NOT has_function_privilege(role_name, 'version_at(text, timestamptz)', 'EXECUTE');

SELECT 'version_at finds an event where there is none' AS wrong
WHERE version_at('nobody', 'infinity') <> 0;
