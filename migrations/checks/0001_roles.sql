-- Run after 0001_roles.sql: each query names what is wrong, so no rows mean that all is well.
SELECT 'role ' || wanted || ' is missing or may do more than sign in' AS wrong
FROM unnest(ARRAY['chronos_writer', 'chronos_relay', 'chronos_reader']) AS wanted
LEFT JOIN pg_roles ON rolname = wanted
WHERE rolcanlogin IS NOT TRUE OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication;

SELECT 'role chronos_writer has no ' || wanted AS wrong
FROM unnest(ARRAY[
  'lock_timeout=3s', 'statement_timeout=4s', 'transaction_timeout=5s', 'idle_in_transaction_session_timeout=2s'
]) AS wanted
WHERE NOT EXISTS (
  SELECT FROM pg_roles WHERE rolname = 'chronos_writer' AND wanted = ANY (rolconfig)
);
