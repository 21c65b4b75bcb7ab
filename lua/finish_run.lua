-- finish_run: remove a run that is final and has no open token.
--
-- Why a script: a run is judged and removed at one instant, its plans are released with it, and a sign is left that
--   keeps a start that is late from running it again.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  run:<id>             hash    the run's own fields
-- KEYS[3]  counter:<id>         string  how many tokens are open
-- KEYS[4]  tokens:<id>          hash    open tokens
-- KEYS[5]  joins:<id>           hash    how the in-edges of joins resolved
-- KEYS[6]  context:<id>         hash    results
-- KEYS[7]  frames:<id>          hash    open passes
-- KEYS[8]  history:<id>         hash    the signals that were taken
-- KEYS[9]  ir:<id>              string  the digest of the run's plan
-- KEYS[10] wf.plans             hash    how many runs use each plan
-- KEYS[11] ended:<id>           string  there for a while after the run was removed
-- KEYS[12..] plan:<digest>      string  the plans the run has had, one for each digest in ARGV[5..]
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  plans: the digests of ARGV[5..], separated by spaces
-- ARGV[3]  how long a plan that no run uses is kept, in seconds
-- ARGV[4]  how long `ended:<id>` is kept, in milliseconds
-- ARGV[5..] digests of the plans the run has had, in order
-- Returns:
--   finished nothing of the run is left but `ended:<id>`
--   open     the run is not final, or a token is open; nothing was removed
--   stale    the run has had other plans than those named; nothing was removed
--   fenced   Redis lost state; nothing was removed
-- Emits: nothing.
-- Cost: O(plans the run has had); its hashes are freed in the background.
-- Guards first, writes after: Redis does not roll back a script that fails half-way.
-- Proof: tests/lua/test_finish_run.py

local epoch_key, run, counter, tokens, joins = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local context, frames, history, ir, plans, tombstone = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local epoch, named, ttl, late = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local first_plan, first_digest = 12, 5
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end
if call('EXISTS', run) == 0 then
  return {'finished'}
end
local head = call('HMGET', run, 'ended_at', 'plans')
if not head[1] or call('HLEN', tokens) > 0 then
  return {'open'}
end
if (head[2] and head[2] .. ' ' or '') .. (call('GET', ir) or '') ~= named then
  return {'stale'}
end

call('UNLINK', run, counter, tokens, joins, context, frames, history, ir)
call('SET', tombstone, '', 'PX', late)
for i = first_digest, #ARGV do
  if call('HINCRBY', plans, ARGV[i], -1) <= 0 then
    call('HDEL', plans, ARGV[i])
    call('EXPIRE', KEYS[first_plan + i - first_digest], ttl)
  end
end
return {'finished'}
