-- What holds, batches and refusals need beside the first two commands.
SET LOCAL ROLE chronos_owner;

-- The number of open holds is part of an account's head, so that a decision never counts them.
ALTER TABLE events ADD COLUMN open_holds_after smallint NOT NULL DEFAULT 0
  CONSTRAINT events_open_holds_bounds CHECK (open_holds_after BETWEEN 0 AND 500);
ALTER TYPE new_event ADD ATTRIBUTE open_holds_after smallint;
GRANT INSERT (open_holds_after) ON events TO chronos_writer;

-- A refusal is published from its receipt, and made again from it: so it says which command was refused.
ALTER TABLE receipts ADD COLUMN command text COLLATE "C" NULL;
ALTER TYPE new_receipt ADD ATTRIBUTE command text;
GRANT INSERT (command) ON receipts TO chronos_writer;

-- Null: the booking date of opened_at. An account that comes from another bank was open before.
ALTER TABLE accounts ADD COLUMN opened_on date NULL;
ALTER TYPE new_account ADD ATTRIBUTE opened_on date;
GRANT INSERT (opened_on) ON accounts TO chronos_writer;

-- The bank's position account of a currency: the oldest one.
CREATE INDEX accounts_positions ON accounts (currency, opened_at, account_id) WHERE kind = 'position';

-- An account's metadata is its newest annotation, or its opening.
CREATE INDEX events_annotations ON events (account_id, version) WHERE type = 'AccountAnnotated';

-- Holds by the time at which they expire, for the agent that ends them.
CREATE INDEX events_hold_expiry ON events (expires_at, hold_id) WHERE type = 'HoldPlaced' AND expires_at IS NOT NULL;
