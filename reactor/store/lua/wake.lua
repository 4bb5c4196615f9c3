#!lua
-- Guarantees: a waiting row is woken once, by evidence that is newer than what its run has seen; others wait on.
-- KEYS due   ARGV row prefix, resource key, sweep after (ms), then the keys of the waits for it (by id, by name)
-- Returns the rows that are due now.
local state, at, seq = unpack(redis.call('HMGET', ARGV[2], 'state', 'at', 'seq'))
local out = {}
if not seq then return out end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local saw = cjson.encode({state = state, at = tonumber(at), seq = tonumber(seq)})
for i = 4, #ARGV do
  for _, row in ipairs(redis.call('SMEMBERS', ARGV[i])) do
    local key = ARGV[1] .. row
    local waits, seen, after = unpack(redis.call('HMGET', key, 'state', 'seen', 'after'))
    if waits ~= 'waiting' then
      redis.call('SREM', ARGV[i], row)
    elseif tonumber(seq) > tonumber(seen) and tonumber(at) > tonumber(after) then
      redis.call('SREM', ARGV[i], row)
      redis.call('HSET', key, 'state', 'due', 'queued', 1, 'saw', saw)
      redis.call('ZADD', KEYS[1], now + ARGV[3], row)
      out[#out + 1] = row
    end
  end
end
return out
