-- intake: move signals from the public list to the stream.
--
-- Why a script: a signal that left the list and is not on the stream yet would be lost with the process that moves it.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  completion_signals.staging  list  what BLMOVE took off the public list and nobody moved on yet
-- KEYS[3]  completion_signals   list    where workers push signals
-- KEYS[4]  wf.signals           stream  where they go
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  at most so many from each list
-- Returns:
--   moved    with how many
--   fenced   Redis lost state; nothing was moved
-- Emits: the entries of the lists, unread and in order, on wf.signals.
-- Cost: O(moved).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, LPOP, is allowed
--   when memory is full.
-- Proof: tests/lua/test_intake.py

local epoch_key, staging, list, signals = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, limit = ARGV[1], ARGV[2]
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end

local moved = 0
for _, from in ipairs({ staging, list }) do
  for _, signal in ipairs(call('LPOP', from, limit) or {}) do
    call('XADD', signals, '*', 'signal', signal)
    moved = moved + 1
  end
end
return {'moved', moved}
