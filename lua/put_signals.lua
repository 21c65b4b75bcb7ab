-- put_signals: put signals on the stream that were taken from elsewhere.
--
-- Why a script: they must come in when memory is full, as they are what frees it, and only where the fence is open.
-- KEYS[1]  epoch       string  the partition's epoch
-- KEYS[2]  wf.signals  stream  where they go
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2..]  the signals
-- Returns:
--   put      all of them, in order
--   fenced   Redis lost state; nothing was written
-- Emits: the signals, unread, on wf.signals.
-- Cost: O(signals).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, XDEL of an entry
--   that cannot be, is allowed when memory is full.
-- Proof: tests/lua/test_put_signals.py

local epoch_key, signals = KEYS[1], KEYS[2]
local epoch = ARGV[1]
local first_signal = 2
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end

call('XDEL', signals, '0-0')
for i = first_signal, #ARGV do
  call('XADD', signals, '*', 'signal', ARGV[i])
end
return {'put'}
