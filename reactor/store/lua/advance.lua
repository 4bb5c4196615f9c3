#!lua
-- Guarantees: a run moves on once per generation, and what it needs next exists with it: a row that is due, or one that waits.
-- A wait is not registered when the state table knows something newer than the run has seen: then its row is due at once.
-- KEYS run, row, due, count, runs   ARGV expected generation (empty: the run must not exist), run fields (JSON), lifetime (ms),
--      row id (empty: the run is over), row fields (JSON), delay (ms), sweep after (ms), run id,
--      for a wait (else absent): waits prefix, resource prefix, alias prefix, resource, seen seq, evidence after (ms)
-- Returns 1 when the row is due now, 2 when it is later or waits, 0 when the run has moved on already.
local generation = redis.call('HGET', KEYS[1], 'generation') or ''
if generation ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function flat(json, out)
  for name, value in pairs(cjson.decode(json)) do
    out[#out + 1] = name
    out[#out + 1] = value
  end
  return out
end

redis.call('HSET', KEYS[1], 'updated', string.format('%d', now), unpack(flat(ARGV[2], {})))
if ARGV[1] == '' then redis.call('ZADD', KEYS[5], now, ARGV[8]) end
if ARGV[4] == '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 1
end

local row = flat(ARGV[5], {'enqueued', 0, 'attempts', 0, 'fence', 0, 'created', string.format('%d', now)})
local function put(state, queued, at)
  redis.call('HSET', KEYS[2], 'state', state, 'queued', queued, unpack(row))
  redis.call('ZADD', KEYS[3], at, ARGV[4])
  redis.call('HINCRBY', KEYS[4], 'jobs_planned', 1)
end

if #ARGV > 8 then
  local id = redis.call('HGET', ARGV[11] .. ARGV[12], 'id') or ARGV[12]
  local state, at, seq = unpack(redis.call('HMGET', ARGV[10] .. id, 'state', 'at', 'seq'))
  if seq and tonumber(seq) > tonumber(ARGV[13]) and tonumber(at) > tonumber(ARGV[14]) then
    flat(cjson.encode({saw = cjson.encode({state = state, at = tonumber(at), seq = tonumber(seq)})}), row)
    put('due', 1, now + ARGV[7])
    return 1
  end
  flat(cjson.encode({seen = ARGV[13], after = ARGV[14]}), row)
  put('waiting', 0, now + ARGV[6])
  redis.call('SADD', ARGV[9] .. id, ARGV[4])
  redis.call('PEXPIRE', ARGV[9] .. id, ARGV[3])
  return 2
end

if tonumber(ARGV[6]) > 0 then
  put('due', 0, now + ARGV[6])
  return 2
end
put('due', 1, now + ARGV[7])
return 1
