-- hold_lease: hold the lease of a partition for some time, or for some time more.
--
-- Why a script: whether another holds it is looked up and the lease is set in one step.
-- KEYS[1]  wf.<role>  string  the consumer that serves the partition; there while its lease lasts
-- ARGV[1]  consumer
-- ARGV[2]  for how long, in ms
-- Returns:
--   held     by this consumer, for that long from now
--   taken    by another, and by which; nothing was written
-- Emits: nothing.
-- Cost: O(1). It compares no epoch: a partition is served behind a closed fence too.
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, DEL, is allowed
--   when memory is full.
-- Proof: tests/conformance/test_leases.py

local lease = KEYS[1]
local consumer, length = ARGV[1], ARGV[2]
local call = redis.call

local holder = call('GET', lease)
if holder and holder ~= consumer then
  return {'taken', holder}
end

call('DEL', lease)
call('SET', lease, consumer, 'PX', length)
return {'held'}
