#!lua
-- Guarantees: a delivery's signed id enters the event log once within the dedup window, whoever repeats it.
-- Later copies are counted, and cost nothing before there are any.
-- KEYS seen, log, copies   ARGV dedup window (ms), then the fields of the entry and their values
-- Returns {1, entry} for a new event, {0, entry of the first} for a duplicate.
local first = redis.call('GET', KEYS[1])
if first then
  redis.call('INCR', KEYS[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[1])
  return {0, first}
end
local entry = redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
redis.call('SET', KEYS[1], entry, 'PX', ARGV[1])
return {1, entry}
