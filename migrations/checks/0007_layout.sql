-- Run after 0007_layout.sql: each query names what is wrong, so no rows mean that all is well.
SELECT role_name || ' may ' || right_name || ' outbox_layout' AS wrong
FROM unnest(ARRAY['chronos_writer', 'chronos_relay', 'chronos_reader']) AS role_name
CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS right_name
WHERE has_table_privilege(role_name, 'outbox_layout', right_name);

SELECT role_name || ' may not decide outbox_layout' AS wrong
FROM unnest(ARRAY['chronos_writer', 'chronos_relay']) AS role_name
WHERE NOT has_table_privilege(role_name, 'outbox_layout', 'SELECT, INSERT')
   OR NOT has_table_privilege(role_name, 'outbox_layout', 'INSERT');

SELECT 'outbox_layout takes more than one row' AS wrong
WHERE NOT EXISTS (
  SELECT FROM pg_index WHERE indexrelid = to_regclass('outbox_layout_one_row') AND indisunique AND indisvalid
);
