-- Run after 0008_refill.sql: each query names what is wrong, so no rows mean that all is well.
SELECT role_name || ' lacks or has ' || right_name || ' on relay_refill' AS wrong
FROM (VALUES
  ('chronos_relay', 'SELECT', true), ('chronos_relay', 'INSERT', true),
  ('chronos_relay', 'UPDATE', true), ('chronos_relay', 'DELETE', true),
  ('chronos_relay', 'TRUNCATE', false),
  ('chronos_writer', 'INSERT', false), ('chronos_writer', 'UPDATE', false), ('chronos_writer', 'DELETE', false),
  ('chronos_reader', 'INSERT', false), ('chronos_reader', 'UPDATE', false), ('chronos_reader', 'DELETE', false)
) AS wanted (role_name, right_name, is_due)
WHERE has_table_privilege(role_name, 'relay_refill', right_name) <> is_due;

SELECT 'relay_refill takes more than one row' AS wrong
WHERE NOT EXISTS (
  SELECT FROM pg_index WHERE indexrelid = to_regclass('relay_refill_one_row') AND indisunique AND indisvalid
);
