#!lua
-- Guarantees: what is kept of a reconciled API follows what it was made from. When that is gone, as after a flush, or another's,
-- nothing is kept: a mark beside an empty table would make events of what had been seen long ago.
-- KEYS reconciled   ARGV API, mark it was made from ('': none), mark
-- Returns 1, or 0 when nothing was kept.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
