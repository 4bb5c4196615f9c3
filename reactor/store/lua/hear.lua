#!lua
-- Guarantees: an event is known as the last of its type (of any resource, and of its own), and wakes each row that waits for
-- such a message once. A row that heard this event, or a later one, before it began to wait, waits on.
-- KEYS due, told, resource   ARGV row prefix, entry, event type, sweep after (ms), then the keys of the waits for it
-- Returns the rows that are due now.
local function later(a, b)
  if b == '' then return true end
  local ms, number = string.match(a, '^(%d+)-(%d+)$')
  local old_ms, old_number = string.match(b, '^(%d+)-(%d+)$')
  if ms ~= old_ms then return tonumber(ms) > tonumber(old_ms) end
  return tonumber(number) > tonumber(old_number)
end

local entry = ARGV[2]
if later(entry, redis.call('HGET', KEYS[2], ARGV[3]) or '') then redis.call('HSET', KEYS[2], ARGV[3], entry) end
local own = 'told:' .. ARGV[3]
if redis.call('EXISTS', KEYS[3]) == 1 and later(entry, redis.call('HGET', KEYS[3], own) or '') then
  redis.call('HSET', KEYS[3], own, entry)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out = {}
for i = 5, #ARGV do
  for _, row in ipairs(redis.call('SMEMBERS', ARGV[i])) do
    local key = ARGV[1] .. row
    local state, heard = unpack(redis.call('HMGET', key, 'state', 'heard'))
    if state ~= 'waiting' then
      redis.call('SREM', ARGV[i], row)
    elseif later(entry, heard or '') then
      redis.call('SREM', ARGV[i], row)
      redis.call('HSET', key, 'state', 'due', 'queued', 1, 'saw', cjson.encode({entry = entry, woken = now}))
      redis.call('ZADD', KEYS[1], now + ARGV[4], row)
      out[#out + 1] = row
    end
  end
end
return out
