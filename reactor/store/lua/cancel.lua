#!lua flags=allow-oom
-- Guarantees: a row that is as the caller saw it, and not done, is cancelled for good, with a note of who asked; any other row
-- stays as it is. Who performs it finds out before he writes; what his call does stands. All that follow it are cancelled, too.
-- KEYS row, due, finished   ARGV row id, state, fence, by, lifetime (ms)
-- Returns 'cancelled', or the state in which the row is instead ('' when it is gone).
-- @include now
-- @include chain
-- @include audit
local state, fence, failed, audit, lock =
  unpack(redis.call('HMGET', KEYS[1], 'state', 'fence', 'error', 'audit', 'lock'))
if not state then return '' end
if state ~= ARGV[2] or fence ~= ARGV[3] or state == 'done' or state == 'cancelled' then return state end
audit = audited(audit, {at = now, by = ARGV[4], did = 'cancel', was = state, error = failed or ''})
redis.call('HSET', KEYS[1], 'state', 'cancelled', 'ended', string.format('%d', now), 'audit', audit)
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
-- The lock of a call that is under way is left to run out: until then nobody else may create what it may be creating.
if lock and state ~= 'running' and redis.call('GET', lock) == ARGV[1] then redis.call('DEL', lock) end
local row = string.sub(KEYS[1], 1, -#ARGV[1] - 1)
follow({now = now, lifetime = ARGV[5], row = row, due = KEYS[2]}, ARGV[1], 'cancelled', 'by ' .. ARGV[4])
return 'cancelled'
