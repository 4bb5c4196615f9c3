#!lua
-- Guarantees: an event is planned once; its rows exist with the plan or not at all, each of them due for the sweeper.
-- KEYS event, due, count   ARGV plan (JSON), sweep after (ms), row prefix, then for each row: id, fields (JSON object of strings)
-- Returns 1 when this plan is stored now, 0 when an earlier one stands.
if redis.call('HSETNX', KEYS[1], 'plan', ARGV[1]) == 0 then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 4, #ARGV, 2 do
  local key, fields = ARGV[3] .. ARGV[i], {}
  for name, value in pairs(cjson.decode(ARGV[i + 1])) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'state', 'due', 'queued', 1, 'enqueued', 0, 'attempts', 0, 'fence', 0, 'created', string.format('%d', now), unpack(fields))
    redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[i])
    redis.call('HINCRBY', KEYS[3], 'jobs_planned', 1)
  end
end
return 1
