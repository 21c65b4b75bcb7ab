-- restore_run: write a run back that was rebuilt from its journal.
--
-- Why a script: a run is there whole, what was out handed out again, or not at all; and only once.
-- KEYS[1]  wf.recovery          string  the epoch that is being prepared
-- KEYS[2]  run:<id>             hash    the run's own fields
-- KEYS[3]  counter:<id>         string  how many tokens are open
-- KEYS[4]  tokens:<id>          hash    open tokens, each with the id of its task's stream entry
-- KEYS[5]  joins:<id>           hash    how the in-edges of joins resolved
-- KEYS[6]  context:<id>         hash    results
-- KEYS[7]  frames:<id>          hash    open passes
-- KEYS[8]  history:<id>         hash    the signals that were taken
-- KEYS[9]  wf.timers            zset    due times
-- KEYS[10] wf.signals           stream  where a `continue` goes
-- KEYS[11] wf.outbox            stream  effects on other runs
-- KEYS[12] wf.events            stream  one event a transition
-- KEYS[13] ir:<id>              string  the digest of the run's plan
-- KEYS[14] wf.plans             hash    how many runs use each plan
-- KEYS[15..] plan:<digest>      string  the plans the run has had, the current one last; they were stored before. Behind
--                                       them wf.tasks.<type>, those that the sections number, from 1
-- ARGV[1]  the epoch that is being prepared
-- ARGV[2]  run id
-- ARGV[3]  tip
-- ARGV[4]  seq
-- ARGV[5]  event, which tells that the run was recovered
-- ARGV[6]  channel to announce the run's end on, empty if it does not end here
-- ARGV[7]  lengths of the sections, 21 unsigned 32-bit numbers, big-endian
-- ARGV[8]  how many plans the run has had
-- ARGV[9..] their digests, the current one last; then the sections, see parts/write_sections.lua
-- Returns:
--   restored the run is there
--   exists   a run of that id is there already, unchanged
--   overtaken  another epoch is being prepared, or state was lost once more; nothing was written
-- Emits: one entry on wf.events; the tasks that were out, a `continue` signal where tokens wait for one; the run's id on
--   the channel ARGV[6] when it ends at once.
-- Cost: O(size of the run).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write is one that Redis
--   refuses when its memory is full.
-- Proof: tests/lua/test_restore_run.py

local recovery, run, counter, tokens = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local joins, context, frames, history = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local timers, signals, outbox, events = KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local ir, plans, first_plan = KEYS[13], KEYS[14], 15
local epoch, run_id, tip, seq, event = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local channel, counts, had, first_digest = ARGV[6], ARGV[7], tonumber(ARGV[8]), 9
local first, streams = first_digest + had, first_plan + had - 1
local call = redis.call

if call('GET', recovery) ~= epoch then
  return {'overtaken'}
end
if call('EXISTS', run) == 1 then
  return {'exists'}
end

for i = 0, had - 1 do
  call('HINCRBY', plans, ARGV[first_digest + i], 1)
  call('PERSIST', KEYS[first_plan + i])
end
call('SET', ir, ARGV[first - 1])
-- Without its own fields a run is none: what else there is under its name was left behind.
call('UNLINK', counter, tokens, joins, context, frames, history)

-- include: parts/write_sections.lua

call('SET', counter, delta)
call('HSET', run, 'seq', seq, 'tip', tip, 'epoch', epoch)
if had > 1 then
  call('HSET', run, 'plans', table.concat(ARGV, ' ', first_digest, first - 2))
end
call('XADD', events, '*', 'run_id', run_id, 'epoch', epoch, 'seq', seq, 'tip', tip, 'event', event)
if channel ~= '' and delta == 0 then
  call('PUBLISH', channel, run_id)
end
return {'restored'}
