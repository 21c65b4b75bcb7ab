-- apply_transition: write everything that one signal or command changes in one run, or nothing.
--
-- Why a script: consuming a signal and emitting what follows from it are one step, compare-and-set on the run's tip.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  run:<id>             hash    the run's own fields
-- KEYS[3]  counter:<id>         string  how many tokens are open
-- KEYS[4]  tokens:<id>          hash    open tokens, each with the id of its task's stream entry
-- KEYS[5]  joins:<id>           hash    how the in-edges of joins resolved
-- KEYS[6]  context:<id>         hash    results
-- KEYS[7]  frames:<id>          hash    open passes
-- KEYS[8]  history:<id>         hash    the signals that were taken
-- KEYS[9]  wf.timers            zset    due times
-- KEYS[10] wf.signals           stream  where the signal came from
-- KEYS[11] wf.outbox            stream  effects on other runs
-- KEYS[12] wf.events            stream  one event a transition
-- KEYS[13..] wf.tasks.<type>    stream  those that the sections number, from 1; with a patch, then wf.plans, plan:<digest>
--                                       of the new plan and ir:<id>
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  run id
-- ARGV[3]  delivery: the signal's entry id, empty for a command
-- ARGV[4]  prev, the tip this was stepped from
-- ARGV[5]  tip, the new one
-- ARGV[6]  seq, the new one; empty for a transition that changes nothing
-- ARGV[7]  event
-- ARGV[8]  channel to announce the run's end on, empty if it does not end here
-- ARGV[9]  digest of the new plan, empty without a patch
-- ARGV[10] tokens_made, passes_made and the lengths of the sections, 21 unsigned 32-bit numbers, big-endian
-- ARGV[11] owner of the hold under which this comes, empty without one
-- ARGV[12..] the sections, see parts/write_sections.lua
-- Returns:
--   applied  all of it is written; or the transition changes nothing, the tip is as expected, the signal is acknowledged
--   stale    the run's tip is another one; nothing was written
--   held     another holds the run for a moment (hold_run); nothing was written
--   closed   the run is final; only the signal was acknowledged
--   missing  there is no such run; only the signal was acknowledged
--   fenced   Redis lost state; nothing was written
-- Emits: one entry on wf.events; tasks, messages, a `continue` signal as the transition says; the run's id on the channel
--   ARGV[8] when it ends with no open token.
-- Cost: O(tokens, edges and records that change); about 20 µs for one step of a chain.
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write is one that Redis
--   allows when its memory is full (XACK, HDEL): a transition that has begun passes.
-- Proof: tests/lua/test_apply_transition.py

local epoch_key, run, counter, tokens = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local joins, context, frames, history = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local timers, signals, outbox, events = KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local epoch, run_id, delivery, prev, tip, seq = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local event, channel, plan, counts, owner = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local first, streams = 12, 12
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end

local function acknowledge()
  if delivery == '' then
    call('HDEL', tokens, '')
  else
    call('XACK', signals, 'coordinators', delivery)
    call('XDEL', signals, delivery)
  end
end

local head = call('HMGET', run, 'tip', 'ended_at', 'hold', 'tokens_made')
if not head[1] then
  acknowledge()
  return {'missing'}
end
if head[2] then
  acknowledge()
  return {'closed'}
end
if head[3] then
  local deadline, holder = string.match(head[3], '^(%d+) (.*)$')
  local now = call('TIME')
  if holder ~= owner and now[1] * 1000 + now[2] / 1000 < tonumber(deadline) then
    return {'held'}
  end
end
if head[1] ~= prev then
  return {'stale'}
end

acknowledge()
if seq == '' then
  return {'applied'}
end

-- include: parts/write_sections.lua

if delta ~= 0 then
  call('SET', counter, call('HLEN', tokens))
end
call('HSET', run, 'seq', seq, 'tip', tip, 'tokens_made', head[4] + tokens_made)
if head[3] then
  call('HDEL', run, 'hold')
end
if passes_made > 0 then
  call('HINCRBY', run, 'passes_made', passes_made)
end
if plan ~= '' then
  -- The plans a run has had stay until it is gone: a coordinator whose snapshot is older still steps on one of them.
  local plans, plan_key, ir = KEYS[#KEYS - 2], KEYS[#KEYS - 1], KEYS[#KEYS]
  local before = call('HGET', run, 'plans')
  call('HSET', run, 'plans', (before and before .. ' ' or '') .. call('GET', ir))
  call('HINCRBY', plans, plan, 1)
  call('PERSIST', plan_key)
  call('SET', ir, plan)
end
call('XADD', events, '*', 'run_id', run_id, 'epoch', epoch, 'seq', seq, 'tip', tip, 'event', event)
if channel ~= '' and call('HLEN', tokens) == 0 then
  call('PUBLISH', channel, run_id)
end
return {'applied'}
