-- missing_tasks: which of some tasks are on their streams no more.
--
-- Why a script: only whether an entry is there matters, and its body would travel along with XRANGE.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2..] wf.tasks.<type>     stream  those that the pairs number, from 1
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2..] pairs: number of its stream, id of its entry
-- Returns:
--   looked   with the number of each pair, from 1, whose entry is not there
--   fenced   Redis lost state; nothing was looked at
-- Emits: nothing.
-- Cost: O(pairs).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. This one writes nothing.
-- Proof: tests/lua/test_missing_tasks.py

local epoch_key = KEYS[1]
local epoch, first, streams = ARGV[1], 2, 1
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end

local missing = {}
for i = first, #ARGV, 2 do
  if #call('XRANGE', KEYS[streams + ARGV[i]], ARGV[i + 1], ARGV[i + 1]) == 0 then
    table.insert(missing, (i - first) / 2 + 1)
  end
end
return {'looked', missing}
