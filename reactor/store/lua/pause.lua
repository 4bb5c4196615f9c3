#!lua flags=allow-oom
-- Guarantees: from now on no row of the scope is claimed, until the time given or until somebody resumes it.
-- KEYS pauses   ARGV scope, by, reason, length (ms, 0: until resumed)
-- @include now
local length = tonumber(ARGV[4])
local pause = {at = now, by = ARGV[2], reason = ARGV[3], ['until'] = length > 0 and now + length or 0}
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(pause))
return 1
