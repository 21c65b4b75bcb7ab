-- postpone_signal: take a run's `continue` off the stream now, and send it again later.
--
-- Why a script: off the stream and not yet on the clock it would be lost with whoever moves it, and the run would stand.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  wf.signals           stream  where it stands
-- KEYS[3]  wf.timers            zset    where it waits, one for each run
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  delivery: its entry id
-- ARGV[3]  run id
-- ARGV[4]  for how long, in ms
-- Returns:
--   postponed it is on the clock
--   gone     it was acknowledged before; nothing was written
--   fenced   Redis lost state; nothing was written
-- Emits: nothing; claim_timers sends the signal when its time has come.
-- Cost: O(log timers).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, XACK, is allowed
--   when memory is full.
-- Proof: tests/lua/test_postpone_signal.py

local epoch_key, signals, timers = KEYS[1], KEYS[2], KEYS[3]
local epoch, delivery, run_id, delay = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end

if call('XACK', signals, 'coordinators', delivery) == 0 then
  return {'gone'}
end
call('XDEL', signals, delivery)
local time = call('TIME')
local due = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + delay)
call('ZADD', timers, 'NX', due, run_id .. ' continue 0')
return {'postponed'}
