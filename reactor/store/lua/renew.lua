#!lua flags=allow-oom
-- Guarantees: only the holder of the fence prolongs the lease (and the lock of the name it creates) or writes into a running row.
-- KEYS row, due   ARGV row id, fence, lease (ms), lock time (ms), then fields and values to note in the row
-- Returns 1, or 0 when the row went to somebody else: stop acting.
-- @include now
local state, fence, lock = unpack(redis.call('HMGET', KEYS[1], 'state', 'fence', 'lock'))
if state ~= 'running' or fence ~= ARGV[2] then return 0 end
local leased = string.format('%d', now + ARGV[3])
redis.call('HSET', KEYS[1], 'lease', leased, unpack(ARGV, 5))
redis.call('ZADD', KEYS[2], leased, ARGV[1])
if lock and redis.call('GET', lock) == ARGV[1] then redis.call('PEXPIRE', lock, ARGV[4]) end
return 1
