#!lua flags=allow-oom
-- Guarantees: rows that a pause has held are due now, each once; what became of them otherwise meanwhile stands.
-- KEYS held, due   ARGV row prefix, how many
-- Returns how many were looked at; 0 when none is left.
-- @include now
local rows = redis.call('SPOP', KEYS[1], ARGV[2])
for _, row in ipairs(rows) do
  local state, queued = unpack(redis.call('HMGET', ARGV[1] .. row, 'state', 'queued'))
  if state == 'due' and queued == '0' then redis.call('ZADD', KEYS[2], 'XX', 'LT', now, row) end
end
return #rows
