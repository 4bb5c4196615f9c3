#!lua flags=allow-oom
-- Guarantees: an event that was set aside is given to the dispatchers again, once per asking, as if nobody had read it.
-- KEYS log, aside   ARGV entry, group, consumer, idle (ms)
-- Returns 1, 0 when it was not set aside, -1 when the log has it no longer.
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return -1 end
redis.call('XCLAIM', KEYS[1], ARGV[2], ARGV[3], 0, ARGV[1], 'IDLE', ARGV[4], 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
