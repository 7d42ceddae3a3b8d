-- Run after 0007_layout.sql: each query names what is wrong, so no rows mean that all is well.
SELECT role_name || ' may ' || right_name || ' outbox_layout' AS wrong
FROM unnest(ARRAY['chronos_writer', 'chronos_relay', 'chronos_reader']) AS role_name
CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS right_name
WHERE has_table_privilege(role_name, 'outbox_layout', right_name);

SELECT role_name || ' lacks or has ' || right_name || ' on outbox_layout' AS wrong
FROM (VALUES
  ('chronos_writer', 'SELECT', true), ('chronos_writer', 'INSERT', true),
  ('chronos_relay', 'SELECT', true), ('chronos_relay', 'INSERT', true),
  ('chronos_reader', 'SELECT', true), ('chronos_reader', 'INSERT', false)
) AS wanted (role_name, right_name, is_due)
WHERE has_table_privilege(role_name, 'outbox_layout', right_name) <> is_due;

SELECT 'outbox_layout takes more than one row' AS wrong
WHERE NOT EXISTS (
  SELECT FROM pg_index WHERE indexrelid = to_regclass('outbox_layout_one_row') AND indisunique AND indisvalid
);
