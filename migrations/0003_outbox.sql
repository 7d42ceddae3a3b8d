-- The outbox: final Kafka bytes, written in the transaction of their events and read by snapshot difference.
--
-- Three tables take turns. Commands write the one that outbox_current names; an old one is truncated when all of it was
-- published. Rows are never updated and never deleted, so there is nothing to vacuum: only the planner's statistics
-- are kept up.
SET LOCAL ROLE chronos_owner;

CREATE TABLE outbox_0 (
  position  bigint NOT NULL,
  xid       xid8 NOT NULL DEFAULT pg_current_xact_id(),
  shard     smallint NOT NULL,
  partition smallint NOT NULL,
  topic     text COLLATE "C" NOT NULL,
  key       bytea NOT NULL,
  headers   bytea NOT NULL,
  value     bytea NOT NULL,
  CONSTRAINT outbox_0_pkey PRIMARY KEY (shard, position)
) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE INDEX outbox_0_xid ON outbox_0 (shard, xid, position);

CREATE TABLE outbox_1 (
  LIKE outbox_0 INCLUDING DEFAULTS INCLUDING STORAGE,
  CONSTRAINT outbox_1_pkey PRIMARY KEY (shard, position)
) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE INDEX outbox_1_xid ON outbox_1 (shard, xid, position);

CREATE TABLE outbox_2 (
  LIKE outbox_0 INCLUDING DEFAULTS INCLUDING STORAGE,
  CONSTRAINT outbox_2_pkey PRIMARY KEY (shard, position)
) WITH (autovacuum_vacuum_insert_threshold = -1);
CREATE INDEX outbox_2_xid ON outbox_2 (shard, xid, position);

-- The shape in which the writer hands over new rows; the transaction id is PostgreSQL's to tell.
CREATE TYPE new_outbox_row AS (
  position bigint, shard smallint, partition smallint, topic text, key bytea, headers bytea, value bytea
);

CREATE TABLE outbox_current (
  which smallint NOT NULL CONSTRAINT outbox_current_known CHECK (which BETWEEN 0 AND 2)
);
CREATE UNIQUE INDEX outbox_current_one_row ON outbox_current ((true));
INSERT INTO outbox_current (which) VALUES (0);

-- One row per shard that can ever be. A new shard has published everything up to now: there is nothing yet.
CREATE TABLE relay_checkpoints (
  shard                smallint NOT NULL CONSTRAINT relay_checkpoints_pkey PRIMARY KEY,
  epoch                bigint NOT NULL DEFAULT 0,
  snapshot             text NOT NULL,
  frozen_snapshot      text NULL,
  window_last_position bigint NULL,
  system_identifier    bigint NULL,
  timeline_id          integer NULL,
  CONSTRAINT relay_checkpoints_shard_bounds CHECK (shard BETWEEN 0 AND 63),
  CONSTRAINT relay_checkpoints_window CHECK ((frozen_snapshot IS NULL) = (window_last_position IS NULL))
) WITH (fillfactor = 10);
INSERT INTO relay_checkpoints (shard, snapshot)
SELECT shard, pg_current_snapshot()::text
FROM generate_series(0, 63) AS shard;

GRANT SELECT ON outbox_0, outbox_1, outbox_2, outbox_current, relay_checkpoints
  TO chronos_writer, chronos_relay, chronos_reader;
GRANT INSERT (position, shard, partition, topic, key, headers, value) ON outbox_0, outbox_1, outbox_2
  TO chronos_writer;
GRANT UPDATE ON relay_checkpoints, outbox_current TO chronos_relay;
GRANT TRUNCATE ON outbox_0, outbox_1, outbox_2 TO chronos_relay;
