#!lua flags=allow-oom
-- Guarantees: only the holder of the fence ends an attempt; a final state is final; a lost reply may be asked for again.
-- Of a call that must not be made twice, the note goes with the attempt that made it: what it came to is known now.
-- The row that follows one which is done is due with its end; if it ended otherwise, all that follow it are cancelled.
-- KEYS row, due, count, finished   ARGV row id, fence, state (due|done|dead|unknown), delay (ms, for due), attempts spent (0|1),
--      lock time (ms), lifetime (ms), event time (ms, 0: none), histogram bounds (ms, comma separated), sweep after (ms),
--      then fields and values
-- Returns 1, or 0 when the row went to somebody else.
-- @include now
-- @include chain
local state, fence, lock = unpack(redis.call('HMGET', KEYS[1], 'state', 'fence', 'lock'))
if fence ~= ARGV[2] then return 0 end
if state ~= 'running' then return state == ARGV[3] and 1 or 0 end
local holds = lock and redis.call('GET', lock) == ARGV[1]
redis.call('HSET', KEYS[1], 'state', ARGV[3], unpack(ARGV, 11))
if redis.call('HGET', KEYS[1], 'asked') == fence then redis.call('HDEL', KEYS[1], 'asked', 'asked_at') end
redis.call('HINCRBY', KEYS[3], 'attempts_' .. (ARGV[3] == 'due' and 'retried' or ARGV[3]), 1)

if ARGV[3] == 'due' then
  redis.call('HSET', KEYS[1], 'queued', 0)
  if ARGV[5] == '0' then redis.call('HINCRBY', KEYS[1], 'attempts', -1) end
  redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
  if holds then redis.call('PEXPIRE', lock, ARGV[4] + ARGV[6]) end
  return 1
end

redis.call('HSET', KEYS[1], 'ended', string.format('%d', now))
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
if holds then redis.call('DEL', lock) end
local row = string.sub(KEYS[1], 1, -#ARGV[1] - 1)
follow({now = now, sweep = ARGV[10], lifetime = ARGV[7], row = row, due = KEYS[2]}, ARGV[1], ARGV[3], redis.call('HGET', KEYS[1], 'error'))
if ARGV[3] ~= 'done' then
  redis.call('ZADD', KEYS[4], now, ARGV[1])
elseif tonumber(ARGV[8]) > 0 then
  local took = math.max(0, now - ARGV[8])
  redis.call('HINCRBY', KEYS[3], 'event_done_count', 1)
  redis.call('HINCRBY', KEYS[3], 'event_done_sum', took)
  for bound in string.gmatch(ARGV[9], '[^,]+') do
    if took <= tonumber(bound) then redis.call('HINCRBY', KEYS[3], 'event_done_' .. bound, 1) break end
  end
end
return 1
