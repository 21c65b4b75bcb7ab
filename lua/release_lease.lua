-- release_lease: give the lease of a partition up.
--
-- Why a script: whose it is is looked up and it is deleted in one step; by now it may be another's.
-- KEYS[1]  wf.<role>  string  the consumer that serves the partition
-- ARGV[1]  consumer
-- Returns:
--   released nobody holds it
--   kept     this consumer did not hold it; nothing was written
-- Emits: nothing; who released tells the others on wf.<role>s.changes.
-- Cost: O(1).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. There is one write, DEL, which is
--   allowed when memory is full.
-- Proof: tests/conformance/test_leases.py

local lease = KEYS[1]
local consumer = ARGV[1]

if redis.call('GET', lease) ~= consumer then
  return {'kept'}
end
redis.call('DEL', lease)
return {'released'}
