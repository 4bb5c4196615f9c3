#!lua
-- Guarantees: of all workers together no more than the budget's number of creates go to an API within its minute.
-- KEYS budget, count   ARGV API, number
-- Returns 0 when this create may go, else in how many milliseconds the next minute begins.
local spent = tonumber(redis.call('GET', KEYS[1]) or '0')
if spent >= tonumber(ARGV[2]) then
  redis.call('HINCRBY', KEYS[2], 'creates_refused:' .. ARGV[1], 1)
  return math.max(1, redis.call('PTTL', KEYS[1]))
end
if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], 60000) end
redis.call('HINCRBY', KEYS[2], 'creates:' .. ARGV[1], 1)
return 0
