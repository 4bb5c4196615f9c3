#!lua flags=allow-oom
-- Guarantees: one row at a time creates a resource of one name. What a row noted as absent counts only while its lock lasted.
-- KEYS row, lock   ARGV row id, fence, lock time (ms)
-- Returns {1, absent_at or ''}, {0, holder}, or {-1, ''} when the row went to somebody else.
local state, fence = unpack(redis.call('HMGET', KEYS[1], 'state', 'fence'))
if state ~= 'running' or fence ~= ARGV[2] then return {-1, ''} end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {0, holder} end
if not holder then redis.call('HDEL', KEYS[1], 'absent_at') end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
redis.call('HSET', KEYS[1], 'lock', KEYS[2])
return {1, redis.call('HGET', KEYS[1], 'absent_at') or ''}
