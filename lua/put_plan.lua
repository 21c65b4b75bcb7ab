-- put_plan: store a plan before a patch points a run at it.
--
-- Why a script: a plan that a run uses must stay; one that no run uses yet must not stay for ever.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  wf.plans             hash    how many runs use each plan
-- KEYS[3]  plan:<digest>        string  the plan
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  digest
-- ARGV[3]  plan, canonical JSON
-- ARGV[4]  how long it is kept unless a run comes to use it, in seconds
-- Returns:
--   stored   it is there
--   used     it was there already, and a run uses it
--   fenced   Redis lost state; nothing was written
-- Emits: nothing.
-- Cost: O(1).
-- Guards first, writes after: Redis does not roll back a script that fails half-way.
-- Proof: tests/lua/test_put_plan.py

local epoch_key, plans, plan_key = KEYS[1], KEYS[2], KEYS[3]
local epoch, digest, plan, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end
if call('HEXISTS', plans, digest) == 1 then
  return {'used'}
end

call('SET', plan_key, plan, 'EX', ttl)
return {'stored'}
