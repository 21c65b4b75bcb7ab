-- open_partition: let changes pass again, in the epoch that was prepared.
--
-- Why a script: the group is there, and the epoch, or neither; and only whoever closed the partition last opens it.
-- KEYS[1]  wf.recovery          string  the epoch that is being prepared
-- KEYS[2]  epoch                string  the partition's epoch
-- KEYS[3]  wf.server            string  the server process it is opened on
-- KEYS[4]  wf.signals           stream  with its group, coordinators
-- ARGV[1]  the epoch that was prepared
-- ARGV[2]  run_id of the server process
-- Returns:
--   open     in that epoch
--   overtaken  another epoch is being prepared, or state was lost once more; nothing was written
-- Emits: nothing.
-- Cost: O(1).
-- Guards first, writes after: Redis does not roll back a script that fails half-way.
-- Proof: tests/lua/test_open_partition.py

local recovery, epoch_key, server, signals = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, process = ARGV[1], ARGV[2]
local call = redis.call

if call('GET', recovery) ~= epoch then
  return {'overtaken'}
end

-- An error where the group is there already: whatever waits in it stays.
redis.pcall('XGROUP', 'CREATE', signals, 'coordinators', '0', 'MKSTREAM')
call('SET', epoch_key, epoch)
call('SET', server, process)
call('DEL', recovery)
return {'open'}
