-- Balances at a moment and for a banking day, at a cost that does not grow with the account.
SET LOCAL ROLE chronos_owner;

-- recorded_at never goes back as an account's versions grow, so its last event by an instant is found by halving: a
-- look-up by primary key for each doubling of the account's length, and no index of its own. One look-up when the
-- account has been quiet since. STABLE: every look-up sees the snapshot of the statement that asks.
CREATE FUNCTION version_at(account text, instant timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
  by_then    bigint := 0;
  after_then bigint;
  middle     bigint;
  recorded   timestamptz;
BEGIN
  SELECT version, recorded_at INTO after_then, recorded
  FROM events
  WHERE account_id = account
  ORDER BY version DESC
  LIMIT 1;
  IF NOT FOUND THEN
    RETURN 0;
  ELSIF recorded <= instant THEN
    RETURN after_then;
  END IF;
  WHILE after_then - by_then > 1 LOOP
    middle := (by_then + after_then) / 2;
    -- STRICT: a version that is missing is a broken journal, not an earlier moment.
    SELECT recorded_at INTO STRICT recorded FROM events WHERE account_id = account AND version = middle;
    IF recorded <= instant THEN
      by_then := middle;
    ELSE
      after_then := middle;
    END IF;
  END LOOP;
  RETURN by_then;
END
$$;
COMMENT ON FUNCTION version_at IS 'Version of the account''s last event recorded by an instant; 0 when there is none.';

REVOKE ALL ON FUNCTION version_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION version_at TO chronos_writer, chronos_relay, chronos_reader;

-- The balance for a banking day is booked now minus what is valued later: few rows when the day is near today.
CREATE INDEX events_value_date ON events (account_id, value_date) INCLUDE (amount) WHERE amount IS NOT NULL;
