-- open_partition: make a server that holds nothing of ours ready, or say which epoch the one at hand is in.
--
-- Why a script: of many processes that start at once, one makes the epoch; and where Redis lost it, none does.
-- KEYS[1]  epoch                string  the partition's epoch: Unix seconds when it was made, so that it only grows
-- KEYS[2]  wf.signals           stream  with its group, coordinators
-- KEYS[3]  wf.events            stream  a sign of earlier life
-- ARGV: none
-- Returns:
--   open     with the epoch
--   fenced   there is state of ours and no epoch: recovery has to look at it first; nothing was written
-- Emits: nothing.
-- Cost: O(1).
-- Guards first, writes after: Redis does not roll back a script that fails half-way.
-- Proof: tests/lua/test_open_partition.py

local epoch_key, signals, events = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call

local epoch = call('GET', epoch_key)
if epoch then
  return {'open', epoch}
end
if call('EXISTS', signals, events) > 0 then
  return {'fenced'}
end

epoch = call('TIME')[1]
call('SET', epoch_key, epoch)
call('XGROUP', 'CREATE', signals, 'coordinators', '0', 'MKSTREAM')
return {'open', epoch}
