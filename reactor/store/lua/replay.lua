#!lua
-- Guarantees: each replay of an event is an entry of its own, with the next number, and stands with the event it repeats.
-- KEYS log, event   ARGV original entry, by, lifetime (ms)
-- Returns {1, entry, number}, or {0} when the log has the original no longer.
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return {0} end
local known = redis.call('HGET', KEYS[2], 'replays')
local replays = known and cjson.decode(known) or {}
local number = #replays + 1
local fields = found[1][2]
fields[#fields + 1] = 'generation'
fields[#fields + 1] = string.format('%d', number)
local entry = redis.call('XADD', KEYS[1], '*', unpack(fields))
replays[number] = {entry = entry, by = ARGV[2]}
redis.call('HSET', KEYS[2], 'replays', cjson.encode(replays))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return {1, entry, number}
