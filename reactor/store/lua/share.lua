#!lua
-- Guarantees: what a read of one run showed of a resource wakes each row once that waits for it and knows of another state.
-- KEYS due   ARGV row prefix, sweep after (ms), state, when it was read (ms), the sets of rows that wait for the resource (JSON)
-- Returns the rows that are due now.
-- @include now
-- @include rouse
local c = {now = now, sweep = ARGV[2], row = ARGV[1], due = KEYS[1]}
local at = tonumber(ARGV[4])
return rouse(c, cjson.decode(ARGV[5]), function(key)
  local seen, since, knows = unpack(redis.call('HMGET', key, 'seen', 'after', 'knows'))
  return knows ~= ARGV[3] and at > tonumber(since) and {state = ARGV[3], at = at, seq = tonumber(seen), woken = now}
end, {})
