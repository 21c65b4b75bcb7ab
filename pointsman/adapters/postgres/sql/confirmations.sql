-- Whether what somebody did to a run is in the journal.

-- name: tip_of_event
-- Of a run that has got so far: then the event of the latest epoch is the one that stands.
SELECT tip FROM events WHERE run_id = $1 AND seq = $2 ORDER BY epoch DESC LIMIT 1;
