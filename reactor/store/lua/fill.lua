#!lua
-- Guarantees: a resource that the state table does not know is in it afterwards, and nothing that it knows changes.
-- What is filled in decides nothing: an event that tells the same is still the first to tell it.
-- KEYS resource, live   ARGV sighting (JSON), lifetime (ms), alias prefix
-- Returns 1 when the resource was unknown.
local s = cjson.decode(ARGV[1])
if redis.call('HEXISTS', KEYS[1], 'state') == 1 then
  if redis.call('PTTL', KEYS[1]) < ARGV[2] / 2 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return 0
end
redis.call('HSET', KEYS[1], 'seq', 1, 'filled', 1, 'born', 'filled', 'terminal', s.terminal, 'at', string.format('%d', s.at), 'settled', s.settled, 'state', s.state, 'name', s.name or '')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if s.terminal == 0 then
  redis.call('SADD', KEYS[2], s.id)
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
if s.name then
  redis.call('HSETNX', ARGV[3] .. s.name, 'id', s.id)
  redis.call('PEXPIRE', ARGV[3] .. s.name, ARGV[2])
end
return 1
