-- hold_run: keep all other writers off one run for a moment, or let it go again.
--
-- Why a script: whether another holds it is looked up and the hold is set in one step, by Redis' own clock.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  run:<id>             hash    the run's own fields
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  owner, without spaces: whose transitions pass meanwhile
-- ARGV[3]  for how long, in ms; 0 lets go of what the owner holds
-- Returns:
--   held     until then the run takes the owner's transitions only; or it is held no longer
--   taken    another holds it; nothing was written
--   closed   the run is final; nothing was written
--   missing  there is no such run
--   fenced   Redis lost state; nothing was written
-- Emits: nothing.
-- Cost: O(1). Nobody has to come back: a hold ends by itself, and with the transition its owner applies.
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, HDEL, is allowed
--   when memory is full: an edit that could pass then can also get its turn.
-- Proof: tests/lua/test_hold_run.py

local epoch_key, run = KEYS[1], KEYS[2]
local epoch, owner, length = ARGV[1], ARGV[2], ARGV[3]
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end
local head = call('HMGET', run, 'tip', 'ended_at', 'hold')
if not head[1] then
  return {'missing'}
end
if head[2] then
  return {'closed'}
end
local time = call('TIME')
local now = time[1] * 1000 + time[2] / 1000
if head[3] then
  local deadline, holder = string.match(head[3], '^(%d+) (.*)$')
  if holder ~= owner and now < tonumber(deadline) then
    return {'taken'}
  end
end

call('HDEL', run, 'hold')
if length ~= '0' then
  call('HSET', run, 'hold', string.format('%.0f', math.floor(now) + length) .. ' ' .. owner)
end
return {'held'}
