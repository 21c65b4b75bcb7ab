-- drop_run: remove a run that the journal knows better, with all that is out of it.
--
-- Why a script: what is left of a run after a crash must be recognisable as a run, or nothing.
-- KEYS[1]  wf.recovery          string  the epoch that is being prepared
-- KEYS[2]  run:<id>             hash    the run's own fields
-- KEYS[3]  counter:<id>         string  how many tokens are open
-- KEYS[4]  tokens:<id>          hash    open tokens, each with the id of its task's stream entry
-- KEYS[5]  joins:<id>           hash    how the in-edges of joins resolved
-- KEYS[6]  context:<id>         hash    results
-- KEYS[7]  frames:<id>          hash    open passes
-- KEYS[8]  history:<id>         hash    the signals that were taken
-- KEYS[9]  wf.timers            zset    due times
-- KEYS[10] ir:<id>              string  the digest of the run's plan
-- KEYS[11] wf.plans             hash    how many runs use each plan
-- KEYS[12..] plan:<digest>      string  the plans the run has had, one for each digest; then wf.tasks.<type>, those that
--                                       the tokens number, from 1
-- ARGV[1]  the epoch that is being prepared
-- ARGV[2]  how long a plan that no run uses is kept, in seconds
-- ARGV[3]  how many plans the run has had
-- ARGV[4]  how many tokens are out
-- ARGV[5..] digests of the plans; tokens that are out, each with the number of its stream; timers
-- Returns:
--   dropped  nothing of the run is left
--   overtaken  another epoch is being prepared, or state was lost once more; nothing was removed
-- Emits: nothing.
-- Cost: O(plans + tokens + timers); its hashes are freed in the background.
-- Guards first, writes after: Redis does not roll back a script that fails half-way.
-- Proof: tests/lua/test_restore_run.py

local recovery, run, counter, tokens, joins = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local context, frames, history, timers = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local ir, plans, first_plan = KEYS[10], KEYS[11], 12
local epoch, ttl, had, out, first_digest = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), 5
local call = redis.call

if call('GET', recovery) ~= epoch then
  return {'overtaken'}
end

local at = first_digest + had
for i = at, at + 2 * out - 2, 2 do
  local record = call('HGET', tokens, ARGV[i])
  local entry = record and string.match(record, '^%d%S*')
  if entry then
    local stream = KEYS[first_plan + had - 1 + ARGV[i + 1]]
    -- Its group may be lost: an error, and nothing to acknowledge.
    redis.pcall('XACK', stream, 'workers', entry)
    call('XDEL', stream, entry)
  end
end
for i = at + 2 * out, #ARGV do
  call('ZREM', timers, ARGV[i])
end
for i = 0, had - 1 do
  if call('HINCRBY', plans, ARGV[first_digest + i], -1) <= 0 then
    call('HDEL', plans, ARGV[first_digest + i])
    call('EXPIRE', KEYS[first_plan + i], ttl)
  end
end
call('UNLINK', run, counter, tokens, joins, context, frames, history, ir)
return {'dropped'}
