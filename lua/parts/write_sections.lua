-- Writes the sections that the codec lays out, in the order in which `pointsman.step.fold.advance` applies them.
-- A part of start_run and apply_transition. They bind `call`, `run_id`, `counts`, `first` (where the sections begin in
-- ARGV), `streams` (how many keys stand before those of the task streams) and the keys used here; it gives them `delta`,
-- by how many the open tokens changed, `tokens_made` and `passes_made`.
-- Sections are flat: tokens, records and pairs one after the other, counted in `counts`, never decoded. Their order:
--   withdrawn    token, number of its stream        take its task off the stream
--   closed       token
--   kept         token, record                      an open token that changed while its task stays out
--   opened       token, `- ` and its record         an open token without a task
--   dispatched   token, record, number of the stream, node, job id, body
--   forgotten    token                              results of ended frames
--   ended        token, result
--   unjoined     token
--   joined       token, `l`, `d` or `f` and the edge
--   frames_ended frame
--   frames       frame, record
--   replaced     history field                      of ended frames
--   passes       history field, record              what remains of them
--   record       history field, record              the signal that was taken
--   disarmed     timer
--   armed        due time, timer
--   messages     id, kind, body
--   continue     signal
--   fields       field of the run, value

local tokens_made, passes_made, n_withdrawn, n_closed, n_kept, n_opened, n_dispatched, n_forgotten, n_ended, n_unjoined,
  n_joined, n_frames_ended, n_frames, n_replaced, n_passes, n_record, n_disarmed, n_armed, n_messages, n_continue,
  n_fields = struct.unpack('>IIIIIIIIIIIIIIIIIIIII', counts)
local at, delta = first, 0

-- Lua cannot unpack more than 8,000 values. 4,000 is even: no pair is torn apart.
local function write(command, key, n)
  local changed, stop = 0, at + n
  while at < stop do
    local last = math.min(at + 4000, stop) - 1
    changed = changed + call(command, key, unpack(ARGV, at, last))
    at = last + 1
  end
  return changed
end

for i = at, at + 2 * n_withdrawn - 2, 2 do
  local record = call('HGET', tokens, ARGV[i])
  local entry = record and string.match(record, '^%d%S*')
  if entry then
    local stream = KEYS[streams + ARGV[i + 1]]
    call('XACK', stream, 'workers', entry)
    call('XDEL', stream, entry)
  end
end
at = at + 2 * n_withdrawn

delta = delta - write('HDEL', tokens, n_closed)
for i = at, at + 2 * n_kept - 2, 2 do
  local record = call('HGET', tokens, ARGV[i])
  local entry = record and string.match(record, '^%S+') or '-'
  delta = delta + call('HSET', tokens, ARGV[i], entry .. ' ' .. ARGV[i + 1])
end
at = at + 2 * n_kept
delta = delta + write('HSET', tokens, 2 * n_opened)
for i = at, at + 6 * n_dispatched - 6, 6 do
  local entry = call('XADD', KEYS[streams + ARGV[i + 2]], '*',
    'token', ARGV[i + 5], 'run_id', run_id, 'node_id', ARGV[i + 3], 'job_id', ARGV[i + 4])
  delta = delta + call('HSET', tokens, ARGV[i], entry .. ' ' .. ARGV[i + 1])
end
at = at + 6 * n_dispatched

write('HDEL', context, n_forgotten)
write('HSET', context, 2 * n_ended)

-- A tally is a field `<token>`, how many in-edges resolved, and one field `<token> <n>` for each: in order, and
-- removed without a search.
for i = at, at + n_unjoined - 1 do
  for n = 1, tonumber(call('HGET', joins, ARGV[i]) or 0) do
    call('HDEL', joins, ARGV[i] .. ' ' .. n)
  end
  call('HDEL', joins, ARGV[i])
end
at = at + n_unjoined
for i = at, at + 2 * n_joined - 2, 2 do
  local n = call('HINCRBY', joins, ARGV[i], 1)
  call('HSET', joins, ARGV[i] .. ' ' .. n, ARGV[i + 1])
end
at = at + 2 * n_joined

write('HDEL', frames, n_frames_ended)
write('HSET', frames, 2 * n_frames)

write('HDEL', history, n_replaced)
write('HSET', history, 2 * n_passes)
-- A token has one record a signal: retries follow each other, a line each.
if n_record > 0 and call('HSETNX', history, ARGV[at], ARGV[at + 1]) == 0 then
  call('HSET', history, ARGV[at], call('HGET', history, ARGV[at]) .. '\n' .. ARGV[at + 1])
end
at = at + 2 * n_record

write('ZREM', timers, n_disarmed)
write('ZADD', timers, 2 * n_armed)
for i = at, at + 3 * n_messages - 3, 3 do
  call('XADD', outbox, '*', 'id', ARGV[i], 'kind', ARGV[i + 1], 'run_id', run_id, 'body', ARGV[i + 2])
end
at = at + 3 * n_messages
for i = at, at + n_continue - 1 do
  call('XADD', signals, '*', 'signal', ARGV[i])
end
at = at + n_continue
write('HSET', run, 2 * n_fields)
