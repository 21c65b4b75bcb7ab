-- claim_timers: turn timers that are due into signals.
--
-- Why a script: taken off the clock and put on the stream are one step, or a crash between them loses the timer.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  wf.timers            zset    `<run> <timer> <generation>`, scored by due time
-- KEYS[3]  wf.signals           stream  where the signals go
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  at most so many
-- Returns:
--   claimed  with how many were due
--   fenced   Redis lost state; nothing was written
-- Emits: a `timer` signal on wf.signals for each.
-- Cost: O(log timers + claimed).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, ZREM, is allowed
--   when memory is full.
-- Proof: tests/lua/test_claim_timers.py

local epoch_key, timers, signals = KEYS[1], KEYS[2], KEYS[3]
local epoch, limit = ARGV[1], ARGV[2]
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end
local time = call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local due = call('ZRANGEBYSCORE', timers, '-inf', now, 'LIMIT', 0, limit)

for _, member in ipairs(due) do
  call('ZREM', timers, member)
  -- Run ids and timer ids hold no character that JSON escapes (SEMANTICS §1). Anything else is none of ours.
  local run_id, timer, generation = string.match(member, '^([%w._-]+) ([^"\\]+) (%d+)$')
  if run_id then
    call('XADD', signals, '*', 'signal', '{"status":"timer","run_id":"' .. run_id
      .. '","timer":"' .. timer .. '","generation":' .. generation .. '}')
  end
end
return {'claimed', #due}
