#!lua flags=allow-oom
-- Guarantees: each due row is given out once per look, to one caller, and looked at later and later while nobody takes it;
-- a row that may stand in the queue gets no second entry when that is full, or twice as long as there are rows.
-- of the rows that wait for one resource, one at a time is given out to look; the others wait on, up to their deadline.
-- KEYS due, RQ queue   ARGV row prefix, how many, look again after (ms), longest pause (ms), queue depth that counts as full
-- Returns row id, number of this enqueue, row id, number, ...
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local room = math.min(ARGV[5], 2 * redis.call('ZCARD', KEYS[1])) - redis.call('LLEN', KEYS[2])
local out = {}

-- Whether somebody else looks at what a row waits for. Who finds nobody does it, for as long as looks are apart.
local function looked_at(key, row)
  local probe, every, deadline = unpack(redis.call('HMGET', key, 'probe', 'every', 'until'))
  if not probe or probe == '' or now >= tonumber(deadline) then return false end
  if redis.call('SET', probe, row, 'NX', 'PX', every) then return false end
  redis.call('ZADD', KEYS[1], math.min(now + every * (0.8 + 0.4 * math.random()), deadline), row)
  return true
end

for _, row in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local key = ARGV[1] .. row
  local state, queued, enqueued, lease = unpack(redis.call('HMGET', key, 'state', 'queued', 'enqueued', 'lease'))
  if state ~= 'due' and state ~= 'running' and state ~= 'waiting' then
    redis.call('ZREM', KEYS[1], row)
  elseif state == 'running' and (tonumber(lease) or 0) > now then
    redis.call('ZADD', KEYS[1], lease, row)
  elseif not (state == 'waiting' and looked_at(key, row)) then
    redis.call('ZADD', KEYS[1], now + math.min(ARGV[3] * 2 ^ math.min(tonumber(enqueued) or 0, 10), ARGV[4]), row)
    if queued == '0' or room > 0 then
      out[#out + 1] = row
      out[#out + 1] = redis.call('HINCRBY', key, 'enqueued', 1)
      redis.call('HSET', key, 'state', state == 'waiting' and 'due' or state, 'queued', 1)
      room = room - 1
    end
  end
end
return out
