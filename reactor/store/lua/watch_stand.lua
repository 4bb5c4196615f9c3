#!lua
-- Guarantees: a watch is kept for its own sake, until what it watches rests; one that is kept already is left alone.
-- KEYS watches, watch   ARGV watch, spec (JSON; empty: not any more), lifetime (ms)
-- Returns 1 when it was not kept before.
-- @include now
if ARGV[2] == '' then return redis.call('HDEL', KEYS[2], 'standing') end
if redis.call('HSET', KEYS[2], 'standing', 1) == 0 then return 0 end
redis.call('HSET', KEYS[2], 'spec', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[1])
return 1
