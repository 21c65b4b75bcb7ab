-- load_run: read all of one run at one instant.
--
-- Why a script: the parts must belong to one tip, and MULTI is refused when memory is full, which is when runs must move.
-- KEYS[1]  run:<id>             hash    the run's own fields
-- KEYS[2]  tokens:<id>          hash    open tokens
-- KEYS[3]  joins:<id>           hash    how the in-edges of joins resolved
-- KEYS[4]  context:<id>         hash    results
-- KEYS[5]  frames:<id>          hash    open passes
-- KEYS[6]  history:<id>         hash    the signals that were taken; named only where they are wanted
-- ARGV: none
-- Returns:
--   found    with the hashes that were named, each as fields and values
--   missing  there is no such run
-- Emits: nothing.
-- Cost: O(size of the run).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. This one writes nothing.
-- Proof: tests/lua/test_load_run.py

local run, tokens, joins, context, frames, history = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call = redis.call

local head = call('HGETALL', run)
if #head == 0 then
  return {'missing'}
end
return {'found', head, call('HGETALL', tokens), call('HGETALL', joins), call('HGETALL', context),
  call('HGETALL', frames), history and call('HGETALL', history)}
