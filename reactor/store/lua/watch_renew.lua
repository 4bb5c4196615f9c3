#!lua
-- Guarantees: only its holder prolongs the lease on a watch, and never one that was given out again meanwhile.
-- KEYS watches, watch   ARGV watch, holder, lease (ms)
-- Returns 1, or 0 when the watch is gone or somebody else's.
-- @include now
if redis.call('HGET', KEYS[2], 'holder') ~= ARGV[2] then return 0 end
local free = redis.call('ZSCORE', KEYS[1], ARGV[1])
if free and tonumber(free) > now then redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1]) end
return 1
