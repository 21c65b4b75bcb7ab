-- close_partition: let no change pass any more, until the partition is opened in a new epoch.
--
-- Why a script: the fence closes and says which epoch is being prepared at one instant.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  wf.server            string  the server process it was opened on
-- KEYS[3]  wf.recovery          string  the epoch that is being prepared
-- ARGV[1]  the new epoch
-- Returns:
--   closed   every script answers `fenced` now, but for those that name this epoch as the one being prepared
--   overtaken  that epoch is no later than the one at hand, or another and later one is being prepared; nothing was written
-- Emits: nothing.
-- Cost: O(1).
-- Guards first, writes after: Redis does not roll back a script that fails half-way.
-- Proof: tests/lua/test_open_partition.py

local epoch_key, server, recovery = KEYS[1], KEYS[2], KEYS[3]
local epoch = ARGV[1]
local call = redis.call

local known, prepared = call('GET', epoch_key), call('GET', recovery)
if tonumber(known or 0) >= tonumber(epoch) or tonumber(prepared or 0) > tonumber(epoch) then
  return {'overtaken'}
end

call('SET', recovery, epoch)
call('DEL', epoch_key, server)
return {'closed'}
