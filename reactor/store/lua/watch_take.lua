#!lua
-- Guarantees: a watch is given to one watcher at a time, for a lease; one whose waits changed is given out again at once.
-- KEYS watches   ARGV watch prefix, holder, lease (ms), how many
-- Returns the watches taken.
-- @include now
local out = {}
for _, watch in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[4])) do
  if redis.call('EXISTS', ARGV[1] .. watch) == 0 then
    redis.call('ZREM', KEYS[1], watch)
  else
    redis.call('HSET', ARGV[1] .. watch, 'holder', ARGV[2])
    redis.call('ZADD', KEYS[1], now + ARGV[3], watch)
    out[#out + 1] = watch
  end
end
return out
