-- Credentials of the HTTP and gRPC doors. The secret itself is not here, only its HMAC under the server's own secret.
SET LOCAL ROLE chronos_owner;

CREATE TABLE api_keys (
  key_id     text COLLATE "C" NOT NULL CONSTRAINT api_keys_pkey PRIMARY KEY,
  hmac       bytea NOT NULL,
  principal  text COLLATE "C" NOT NULL,
  scopes     text[] COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  revoked_at timestamptz NULL,
  CONSTRAINT api_keys_hmac_length CHECK (length(hmac) = 32),
  CONSTRAINT api_keys_scopes_known CHECK (
    cardinality(scopes) >= 1 AND scopes <@ ARRAY['read', 'write', 'admin']
  )
);

GRANT SELECT ON api_keys TO chronos_writer, chronos_relay, chronos_reader;
