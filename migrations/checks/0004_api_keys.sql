-- Run after 0004_api_keys.sql: each query names what is wrong, so no rows mean that all is well.
SELECT role_name || ' may make or change keys' AS wrong
FROM unnest(ARRAY['chronos_writer', 'chronos_relay', 'chronos_reader']) AS role_name
WHERE has_table_privilege(role_name, 'api_keys', 'INSERT, UPDATE, DELETE, TRUNCATE');
