-- start_run: create a run from its first transition, or nothing.
--
-- Why a script: a run is there whole, its first tasks handed out, or not at all; and only once. A start may be late: its
--   sender was halted, or the network held it back, and the run was started by another, has ended and is gone. So it
--   says until when it may begin, and who removes a run leaves `ended:<id>` for longer than any start may be late.
-- KEYS[1]  epoch                string  the partition's epoch
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
-- KEYS[15] plan:<digest>        string  the plan
-- KEYS[16] ended:<id>           string  there for a while after the run was removed
-- KEYS[17..] wf.tasks.<type>    stream  those that the sections number, from 1
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  run id
-- ARGV[3]  digest of the plan
-- ARGV[4]  plan, canonical JSON
-- ARGV[5]  tip
-- ARGV[6]  seq
-- ARGV[7]  event
-- ARGV[8]  channel to announce the run's end on, empty if it does not end here
-- ARGV[9]  lengths of the sections, 21 unsigned 32-bit numbers, big-endian
-- ARGV[10] until when it may begin, Unix milliseconds by this server's clock; empty: whenever
-- ARGV[11..] the sections, see parts/write_sections.lua
-- Returns:
--   started  the run is there
--   exists   a run of that id is there already, unchanged, or was and has ended
--   late     it may not begin any more; nothing was written
--   fenced   Redis lost state; nothing was written
-- Emits: one entry on wf.events; tasks, messages, a `continue` signal as the transition says; the run's id on the channel
--   ARGV[8] when it ends at once.
-- Cost: O(tokens that open).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write is one that Redis
--   refuses when its memory is full: a run is not begun then.
-- Proof: tests/lua/test_start_run.py

local epoch_key, run, counter, tokens = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local joins, context, frames, history = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local timers, signals, outbox, events = KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local ir, plans, plan_key, tombstone = KEYS[13], KEYS[14], KEYS[15], KEYS[16]
local epoch, run_id, digest, plan, tip, seq = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local event, channel, counts, by = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local first, streams = 11, 16
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end
if call('EXISTS', run, tombstone) > 0 then
  return {'exists'}
end
if by ~= '' then
  local time = call('TIME')
  if time[1] * 1000 + math.floor(time[2] / 1000) > tonumber(by) then
    return {'late'}
  end
end

if call('HINCRBY', plans, digest, 1) == 1 then
  call('SET', plan_key, plan)
end
call('SET', ir, digest)

-- include: parts/write_sections.lua

call('SET', counter, delta)
call('HSET', run, 'seq', seq, 'tip', tip, 'epoch', epoch)
call('XADD', events, '*', 'run_id', run_id, 'epoch', epoch, 'seq', seq, 'tip', tip, 'event', event)
if channel ~= '' and delta == 0 then
  call('PUBLISH', channel, run_id)
end
return {'started'}
