#!lua
-- Guarantees: a delivery's signed id enters the event log once within the dedup window, whoever repeats it.
-- KEYS seen, log   ARGV source, id, organization, body, dedup window (ms), origin
-- Returns {1, entry} for a new event, {0, entry of the first} for a duplicate.
local first = redis.call('GET', KEYS[1])
if first then return {0, first} end
local entry = redis.call('XADD', KEYS[2], '*', 'source', ARGV[1], 'id', ARGV[2], 'organization', ARGV[3], 'body', ARGV[4], 'origin', ARGV[6])
redis.call('SET', KEYS[1], entry, 'PX', ARGV[5])
return {1, entry}
