-- Run after 0005_commands.sql: no rows mean that all is well.
SELECT 'chronos_writer may not insert ' || table_name || '.' || column_name AS wrong
FROM (VALUES ('events', 'open_holds_after'), ('receipts', 'command'), ('accounts', 'opened_on'))
  AS wanted (table_name, column_name)
WHERE NOT has_column_privilege('chronos_writer', table_name, column_name, 'INSERT');

SELECT 'index ' || wanted || ' is missing' AS wrong
FROM unnest(ARRAY['accounts_positions', 'events_annotations', 'events_hold_expiry']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(wanted) AND indisvalid);
