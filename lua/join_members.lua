-- join_members: be one of the live processes of a role for some time more, and forget those that were not heard of.
--
-- Why a script: it is timed by Redis' own clock, and passes when memory is full.
-- KEYS[1]  wf.<role>s          zset    members, scored by the time in ms at which each is forgotten
-- KEYS[2]  wf.<role>s.changes  stream  tells the others
-- ARGV[1]  member: the consumer, and before it what its release understands
-- ARGV[2]  for how long, in ms
-- Returns:
--   joined   with all members
-- Emits: an entry on wf.<role>s.changes where one came, or one was forgotten.
-- Cost: O(members).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, ZREMRANGEBYSCORE,
--   is allowed when memory is full.
-- Proof: tests/conformance/test_leases.py

local members, changes = KEYS[1], KEYS[2]
local member, length = ARGV[1], ARGV[2]
local call = redis.call

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local forgotten = call('ZREMRANGEBYSCORE', members, '-inf', string.format('%.0f', now))
local came = call('ZADD', members, string.format('%.0f', now + length), member)
if forgotten + came > 0 then
  call('XADD', changes, 'MAXLEN', '1', '*', 'by', member)
end
return {'joined', unpack(call('ZRANGE', members, 0, -1))}
