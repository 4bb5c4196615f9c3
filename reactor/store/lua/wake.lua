#!lua
-- Guarantees: a waiting row is woken once, by evidence that is newer than what its run has seen; others wait on.
-- What a read of one run showed is evidence for all that know of another state: it says nothing to those that know it.
-- KEYS due   ARGV row prefix, resource key, what a read showed (JSON: state, at; empty: the state table tells), sweep after (ms),
--      then the keys of the waits for it (by id, by name)
-- Returns the rows that are due now.
local saw = ARGV[3] ~= '' and cjson.decode(ARGV[3]) or {}
local read = saw.state
if not read then
  local state, at, seq = unpack(redis.call('HMGET', ARGV[2], 'state', 'at', 'seq'))
  if not seq then return {} end
  saw = {state = state, at = tonumber(at), seq = tonumber(seq)}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
saw.woken = now
local out = {}
for i = 5, #ARGV do
  for _, row in ipairs(redis.call('SMEMBERS', ARGV[i])) do
    local key = ARGV[1] .. row
    local waits, seen, after, knows = unpack(redis.call('HMGET', key, 'state', 'seen', 'after', 'knows'))
    if waits ~= 'waiting' then
      redis.call('SREM', ARGV[i], row)
    elseif saw.at > tonumber(after) and (read and knows ~= read or not read and saw.seq > tonumber(seen)) then
      if read then saw.seq = tonumber(seen) end
      redis.call('SREM', ARGV[i], row)
      redis.call('HSET', key, 'state', 'due', 'queued', 1, 'saw', cjson.encode(saw))
      redis.call('ZADD', KEYS[1], now + ARGV[4], row)
      out[#out + 1] = row
    end
  end
end
return out
