-- How far a refill of the topics is, so that one which was killed goes on where it was.
--
-- A refill empties the topics and publishes the journal of one snapshot by position; the relay goes on after that snapshot.
-- So who goes on needs the same snapshot. The cluster is the one on which the refill began: a restored database does not
-- go on with it.
SET LOCAL ROLE chronos_owner;

CREATE TABLE relay_refill (
  system_identifier bigint NOT NULL,
  timeline_id       integer NOT NULL,
  -- Written and read by chronos/store/refill_place.py. Without it the topics may not be empty yet.
  place             jsonb NULL
);
CREATE UNIQUE INDEX relay_refill_one_row ON relay_refill ((true));

GRANT SELECT, INSERT, UPDATE, DELETE ON relay_refill TO chronos_relay;
