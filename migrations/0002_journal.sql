-- The journal: accounts, events, receipts. Rows are inserted once and never change.
--
-- Every constraint has a name, because the store turns a name into the refusal that it stands for.
SET LOCAL ROLE chronos_owner;

-- Drawn while the accounts' locks are held, so one account's positions grow with its versions. Gaps are normal.
-- CACHE 1: a session that kept numbers back would hand out old positions for new versions.
CREATE SEQUENCE journal_position AS bigint CACHE 1;

CREATE TABLE accounts (
  account_id  text COLLATE "C" NOT NULL CONSTRAINT accounts_pkey PRIMARY KEY,
  currency    char(3) COLLATE "C" NOT NULL,
  kind        text COLLATE "C" NOT NULL,
  external_id text COLLATE "C" NULL CONSTRAINT accounts_external_id UNIQUE,
  opened_at   timestamptz NOT NULL,
  CONSTRAINT accounts_id_form CHECK (account_id ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$'),
  CONSTRAINT accounts_currency_form CHECK (currency ~ '^[A-Z]{3}$')
);
COMMENT ON TABLE accounts IS 'Who an account is. What it holds is told by its last event.';

-- No foreign key to accounts: its check would lock the row of a busy account on every posting. An event reaches this
-- table only through a decision that has read the account, and the audit proves it again.
CREATE TABLE events (
  position              bigint NOT NULL,
  account_id            text COLLATE "C" NOT NULL,
  version               bigint NOT NULL,
  event_id              uuid NOT NULL,
  type                  text COLLATE "C" NOT NULL,
  schema_version        smallint NOT NULL,
  transfer_id           text COLLATE "C" NULL,
  leg                   smallint NULL,
  hold_id               text COLLATE "C" NULL,
  reverses_transfer_id  text COLLATE "C" NULL,
  expires_at            timestamptz NULL,
  currency              char(3) COLLATE "C" NOT NULL,
  amount                bigint NULL,
  booked_after          bigint NOT NULL,
  held_after            bigint NOT NULL,
  overdraft_limit_after bigint NULL,
  status_after          smallint NOT NULL,
  principal             text COLLATE "C" NOT NULL,
  value_date            date NOT NULL,
  recorded_at           timestamptz NOT NULL,
  hash                  bytea NOT NULL,
  body                  bytea NOT NULL,
  CONSTRAINT events_account_version PRIMARY KEY (account_id, version),
  CONSTRAINT events_position UNIQUE (position),
  CONSTRAINT events_version_from_one CHECK (version >= 1),
  CONSTRAINT events_amount_bounds CHECK (amount <> 0 AND amount BETWEEN -9007199254740991 AND 9007199254740991),
  CONSTRAINT events_booked_bounds CHECK (booked_after BETWEEN -9007199254740991 AND 9007199254740991),
  CONSTRAINT events_held_bounds CHECK (held_after BETWEEN 0 AND 9007199254740991),
  CONSTRAINT events_overdraft_bounds CHECK (overdraft_limit_after BETWEEN 0 AND 9007199254740991),
  CONSTRAINT events_status_known CHECK (status_after BETWEEN 0 AND 3),
  CONSTRAINT events_hash_length CHECK (length(hash) = 32),
  CONSTRAINT events_amount_has_transfer CHECK (amount IS NULL OR (transfer_id IS NOT NULL AND leg IS NOT NULL))
);
COMMENT ON COLUMN events.amount IS 'Signed effect on booked, in minor units; null when the event moves no money.';
COMMENT ON COLUMN events.hash IS 'SHA-256 over the hash of the account''s previous event, then body.';
COMMENT ON COLUMN events.body IS 'Canonical JSON: the bytes that Kafka carries.';

CREATE UNIQUE INDEX events_transfer_leg ON events (transfer_id, leg) WHERE transfer_id IS NOT NULL;
CREATE UNIQUE INDEX events_reversal_leg ON events (reverses_transfer_id, leg) WHERE reverses_transfer_id IS NOT NULL;
CREATE UNIQUE INDEX events_hold_placed ON events (hold_id) WHERE type = 'HoldPlaced';
CREATE UNIQUE INDEX events_hold_ended ON events (hold_id) WHERE type IN ('HoldCaptured', 'HoldVoided', 'HoldExpired');

CREATE TABLE receipts (
  principal       text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL,
  request_hash    bytea NOT NULL,
  status          smallint NOT NULL,
  body            bytea NOT NULL,
  position        bigint NOT NULL,
  account_id      text COLLATE "C" NULL,
  recorded_at     timestamptz NOT NULL,
  CONSTRAINT receipts_pkey PRIMARY KEY (principal, idempotency_key),
  CONSTRAINT receipts_hash_length CHECK (length(request_hash) = 32),
  CONSTRAINT receipts_status_decided CHECK (status BETWEEN 200 AND 499)
);
COMMENT ON TABLE receipts IS 'The first answer to each idempotency key, refusals included; a retry gets it again.';

-- The shapes in which the writer hands over new rows: one parameter per table, an array of these.
CREATE TYPE new_account AS (
  account_id text, currency text, kind text, external_id text, opened_at timestamptz
);
CREATE TYPE new_event AS (
  position bigint, account_id text, version bigint, event_id uuid, type text, schema_version smallint,
  transfer_id text, leg smallint, hold_id text, reverses_transfer_id text, expires_at timestamptz, currency text,
  amount bigint, booked_after bigint, held_after bigint, overdraft_limit_after bigint, status_after smallint,
  principal text, value_date date, recorded_at timestamptz, hash bytea, body bytea
);
CREATE TYPE new_receipt AS (
  principal text, idempotency_key text, request_hash bytea, status smallint, body bytea, position bigint,
  account_id text, recorded_at timestamptz
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: the journal is only ever added to', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END
$$;

CREATE TRIGGER accounts_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER receipts_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Double entry, in the database too. One check per statement: all postings of a transfer go in one statement.
CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  unbalanced record;
BEGIN
  SELECT transfer_id, currency, sum(amount) AS excess
  INTO unbalanced
  FROM posted
  WHERE amount IS NOT NULL
  GROUP BY transfer_id, currency
  HAVING sum(amount) <> 0
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'transfer % does not sum to zero in %: % left over',
      unbalanced.transfer_id, unbalanced.currency, unbalanced.excess
      USING ERRCODE = 'check_violation', CONSTRAINT = 'events_zero_sum', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER events_zero_sum AFTER INSERT ON events
  REFERENCING NEW TABLE AS posted
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced();

-- ALWAYS: also for a session that calls itself a replica.
ALTER TABLE accounts ENABLE ALWAYS TRIGGER accounts_never_change;
ALTER TABLE events ENABLE ALWAYS TRIGGER events_never_change;
ALTER TABLE receipts ENABLE ALWAYS TRIGGER receipts_never_change;
ALTER TABLE events ENABLE ALWAYS TRIGGER events_zero_sum;

GRANT SELECT ON accounts, events, receipts TO chronos_writer, chronos_relay, chronos_reader;
GRANT SELECT ON SEQUENCE journal_position TO chronos_relay, chronos_reader;
GRANT USAGE ON SEQUENCE journal_position TO chronos_writer;
GRANT INSERT (account_id, currency, kind, external_id, opened_at) ON accounts TO chronos_writer;
GRANT INSERT (
  position, account_id, version, event_id, type, schema_version, transfer_id, leg, hold_id, reverses_transfer_id,
  expires_at, currency, amount, booked_after, held_after, overdraft_limit_after, status_after, principal, value_date,
  recorded_at, hash, body
) ON events TO chronos_writer;
GRANT INSERT (
  principal, idempotency_key, request_hash, status, body, position, account_id, recorded_at
) ON receipts TO chronos_writer;
