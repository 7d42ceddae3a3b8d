-- How the rows of the outbox are dealt out to partitions and shards: decided once for a database, by who starts first.
--
-- A command process with another count would put an account's next event into another partition than its last one, where
-- it may be read before it, or into a shard that no relay reads. Only the owner may change the row.
SET LOCAL ROLE chronos_owner;

CREATE TABLE outbox_layout (
  partitions smallint NOT NULL CONSTRAINT outbox_layout_partitions CHECK (partitions > 0),
  shards     smallint NOT NULL CONSTRAINT outbox_layout_shards CHECK (shards BETWEEN 1 AND 64)
);
CREATE UNIQUE INDEX outbox_layout_one_row ON outbox_layout ((true));

GRANT SELECT ON outbox_layout TO chronos_writer, chronos_relay, chronos_reader;
GRANT INSERT ON outbox_layout TO chronos_writer, chronos_relay;
