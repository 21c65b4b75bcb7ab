-- reject_signal: set a signal aside with the reason, and acknowledge it.
--
-- Why a script: acknowledged without being set aside it is lost, set aside without being acknowledged it comes again.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  wf.signals           stream  where it stands
-- KEYS[3]  wf.signals.rejected  stream  where it goes
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  delivery: its entry id
-- ARGV[3]  code of the error
-- ARGV[4]  reason, a sentence
-- ARGV[5]  signal, as it came, at most its first 64 KiB
-- ARGV[6]  length of the whole signal in bytes
-- ARGV[7]  about so many are kept, the newest
-- Returns:
--   rejected it is set aside
--   gone     it was acknowledged before; nothing was written
--   fenced   Redis lost state; nothing was written
-- Emits: one entry on wf.signals.rejected.
-- Cost: O(1), amortised.
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, XACK, is allowed
--   when memory is full.
-- Proof: tests/lua/test_reject_signal.py

local epoch_key, signals, rejected = KEYS[1], KEYS[2], KEYS[3]
local epoch, delivery, code, reason, signal, length, kept = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end

-- Whoever acknowledges it first sets it aside: of two that claimed the same signal, one.
if call('XACK', signals, 'coordinators', delivery) == 0 then
  return {'gone'}
end
call('XDEL', signals, delivery)
call('XADD', rejected, 'MAXLEN', '~', kept, '*',
  'signal', signal, 'code', code, 'reason', reason, 'length', length)
return {'rejected'}
