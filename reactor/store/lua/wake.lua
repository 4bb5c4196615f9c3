#!lua
-- Guarantees: a fresh event is known as the last of its type (of any resource, and of its own), and wakes each row once that
-- waits for such a message, or for its resource to change. A row that has seen this already, or something later, waits on,
-- and so does one whose run began after the message was accepted, however late somebody comes to decide on it.
-- KEYS due, told, resource
-- ARGV row prefix, sweep after (ms), entry, event type, the sets of rows that wait for the message, and for the resource (JSON)
-- Returns the rows that are due now.
-- @include now
-- @include places
-- @include rouse
local c = {now = now, sweep = ARGV[2], row = ARGV[1], due = KEYS[1]}
local entry, own = ARGV[3], 'told:' .. ARGV[4]

if after(entry, redis.call('HGET', KEYS[2], ARGV[4])) then redis.call('HSET', KEYS[2], ARGV[4], entry) end
if redis.call('EXISTS', KEYS[3]) == 1 and after(entry, redis.call('HGET', KEYS[3], own)) then
  redis.call('HSET', KEYS[3], own, entry)
end
local roused = rouse(c, cjson.decode(ARGV[5]), function(key)
  local heard, began = unpack(redis.call('HMGET', key, 'heard', 'began'))
  return after(entry, heard) and accepted_since(entry, began) and {entry = entry, woken = now}
end, {})

local state, at, seq = unpack(redis.call('HMGET', KEYS[3], 'state', 'at', 'seq'))
if not seq then return roused end
local saw = {state = state, at = tonumber(at), seq = tonumber(seq), woken = now}
return rouse(c, cjson.decode(ARGV[6]), function(key)
  local seen, since = unpack(redis.call('HMGET', key, 'seen', 'after'))
  return saw.seq > tonumber(seen) and saw.at > tonumber(since) and saw
end, roused)
