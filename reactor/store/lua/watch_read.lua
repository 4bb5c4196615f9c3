#!lua
-- Guarantees: a watch that nobody needs any more is gone afterwards, and no wait that came meanwhile with it.
-- KEYS watches, watch   ARGV watch, holder, lease (ms), row prefix
-- Returns {1, spec, standing or '', states of a row (JSON), ...}; {0} when the watch is gone or somebody else's.
local holder, spec, standing = unpack(redis.call('HMGET', KEYS[2], 'holder', 'spec', 'standing'))
if holder ~= ARGV[2] or not spec then return {0} end
local out, fields = {1, spec, standing or ''}, redis.call('HGETALL', KEYS[2])
for i = 1, #fields, 2 do
  local row = string.match(fields[i], '^row:(.*)')
  if row and redis.call('HGET', ARGV[4] .. row, 'state') == 'waiting' then
    out[#out + 1] = fields[i + 1]
  elseif row then
    redis.call('HDEL', KEYS[2], fields[i])
  end
end
if #out == 3 and not standing then
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[1], ARGV[1])
  return {0}
end
return out
