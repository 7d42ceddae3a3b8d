-- Run after 0003_outbox.sql: each query names what is wrong, so no rows mean that all is well.
SELECT role_name || ' may ' || right_name || ' ' || table_name AS wrong
FROM unnest(ARRAY['chronos_writer', 'chronos_relay']) AS role_name
CROSS JOIN unnest(ARRAY['outbox_0', 'outbox_1', 'outbox_2']) AS table_name
CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE']) AS right_name
WHERE has_table_privilege(role_name, table_name, right_name);

SELECT 'chronos_writer may choose the transaction id of ' || table_name AS wrong
FROM unnest(ARRAY['outbox_0', 'outbox_1', 'outbox_2']) AS table_name
WHERE has_column_privilege('chronos_writer', table_name, 'xid', 'INSERT');

SELECT 'outbox_current does not name one table' AS wrong
FROM outbox_current
HAVING count(*) <> 1;

SELECT 'relay_checkpoints does not have its 64 shards' AS wrong
FROM relay_checkpoints
HAVING count(*) <> 64;
