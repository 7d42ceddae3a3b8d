-- Run after 0002_journal.sql: each query names what is wrong, so no rows mean that all is well.
SELECT 'chronos_writer may ' || right_name || ' ' || table_name AS wrong
FROM unnest(ARRAY['accounts', 'events', 'receipts']) AS table_name
CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN']) AS right_name
WHERE has_table_privilege('chronos_writer', table_name, right_name);

SELECT 'trigger ' || wanted || ' is not ENABLE ALWAYS' AS wrong
FROM unnest(ARRAY[
  'accounts_never_change', 'events_never_change', 'receipts_never_change', 'events_zero_sum'
]) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled = 'A');

SELECT 'constraint or index ' || wanted || ' is missing' AS wrong
FROM unnest(ARRAY[
  'accounts_pkey', 'accounts_external_id', 'events_account_version', 'events_position', 'events_transfer_leg',
  'events_reversal_leg', 'events_hold_placed', 'events_hold_ended', 'receipts_pkey'
]) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(wanted) AND indisunique AND indisvalid);

SELECT 'sequence journal_position keeps numbers back' AS wrong
FROM pg_sequences
WHERE sequencename = 'journal_position' AND cache_size <> 1;
