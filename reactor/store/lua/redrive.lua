#!lua
-- Guarantees: a row that is as the caller saw it, dead or unknown, is due again with a fresh budget of attempts, a higher fence
-- and a note of who asked; a call that must not be made twice may be made once more. Any other row stays as it is.
-- KEYS row, due, count, finished   ARGV row id, state, fence, by
-- Returns 'due', or the state in which the row is instead ('' when it is gone).
-- @include now
-- @include audit
local state, fence, failed, audit = unpack(redis.call('HMGET', KEYS[1], 'state', 'fence', 'error', 'audit'))
if not state then return '' end
if state ~= ARGV[2] or fence ~= ARGV[3] or (state ~= 'dead' and state ~= 'unknown') then return state end
audit = audited(audit, {at = now, by = ARGV[4], did = 'retry', was = state, error = failed or ''})
redis.call('HSET', KEYS[1], 'state', 'due', 'queued', 0, 'attempts', 0, 'audit', audit)
redis.call('HDEL', KEYS[1], 'ended', 'lease', 'worker', 'claimed', 'asked', 'asked_at')
redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('PERSIST', KEYS[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('HINCRBY', KEYS[3], 'jobs_redriven', 1)
return 'due'
