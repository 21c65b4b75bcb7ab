-- report_lost: tell the runs whose tasks a dead worker held, and in the end forget the worker.
--
-- Why a script: what it holds is read, taken from it and reported at one instant; a crash can only come before or after.
-- KEYS[1]  epoch                string  the partition's epoch
-- KEYS[2]  wf.workers           hash    registered workers, each with its types
-- KEYS[3]  worker:<consumer>    string  there while the worker's lease lasts
-- KEYS[4]  wf.signals           stream  where the reports go
-- KEYS[5..] wf.tasks.<type>     stream  one for each of its types
-- ARGV[1]  epoch as the caller knows it
-- ARGV[2]  consumer
-- ARGV[3]  at most so many from each stream
-- Returns:
--   reported with how many tasks it held
--   forgotten it held nothing: it is no consumer any more
--   alive    it has renewed its lease; nothing was written
--   unknown  it is not registered; nothing was written
--   fenced   Redis lost state; nothing was written
-- Emits: a `worker_lost` signal on wf.signals for each task.
-- Cost: O(types + tasks it held).
-- Guards first, writes after: Redis does not roll back a script that fails half-way. The first write, XCLAIM, is allowed
--   when memory is full.
-- Proof: tests/lua/test_report_lost.py

local epoch_key, workers, lease, signals = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, consumer, limit = ARGV[1], ARGV[2], ARGV[3]
local first_stream = 5
local call = redis.call

if call('GET', epoch_key) ~= epoch then
  return {'fenced'}
end
if call('HEXISTS', workers, consumer) == 0 then
  return {'unknown'}
end
if call('EXISTS', lease) == 1 then
  return {'alive'}
end

local held = 0
for i = first_stream, #KEYS do
  -- No such stream or group: an error, which has no first element. It holds nothing then.
  for _, pending in ipairs(redis.pcall('XPENDING', KEYS[i], 'workers', '-', '+', limit, consumer)) do
    local entry = pending[1]
    local found = call('XRANGE', KEYS[i], entry, entry)[1]
    -- A consumer of no process keeps it from being reported again; step withdraws the entry by its id.
    call('XCLAIM', KEYS[i], 'workers', 'lost', 0, entry, 'JUSTID')
    held = held + 1
    if found then
      local fields = found[2]
      for f = 1, #fields, 2 do
        if fields[f] == 'job_id' then
          call('XADD', signals, '*', 'signal', '{"status":"worker_lost","job_id":"' .. fields[f + 1]
            .. '","worker":"' .. consumer .. '"}')
        end
      end
    else
      call('XACK', KEYS[i], 'workers', entry)
    end
  end
end
if held > 0 then
  return {'reported', held}
end

call('HDEL', workers, consumer)
for i = first_stream, #KEYS do
  redis.pcall('XGROUP', 'DELCONSUMER', KEYS[i], 'workers', consumer)
end
return {'forgotten'}
