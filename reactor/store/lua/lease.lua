#!lua
-- Guarantees: at most one holder has a lease at a time. Asked by its holder, it is prolonged, or given back (time 0).
-- KEYS lease   ARGV holder, time (ms)
-- Returns 1 when the holder has it, 0 when somebody else does.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
