#!lua
-- Guarantees: a run moves on once per generation, and what it needs next exists with it: a row that is due, or one that waits.
-- A wait is not registered when the state table knows something newer than the run has seen: then its row is due at once.
-- KEYS run, row, due, count, runs   ARGV expected generation (empty: the run must not exist), run fields (JSON), lifetime (ms),
--      row id (empty: the run is over), row fields (JSON), delay (ms), sweep after (ms), run id,
--      for a wait (else absent): waits prefix, resource prefix, alias prefix, resource, seen seq, evidence after (ms),
--      what stands before a name (empty: the resource is an id)
-- Returns 1 when the row is due now, 2 when it is later or waits, 0 when the run has moved on already.
local generation = redis.call('HGET', KEYS[1], 'generation') or ''
if generation ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%d', now)

local function flat(json, out)
  for name, value in pairs(cjson.decode(json)) do
    out[#out + 1] = name
    out[#out + 1] = value
  end
  return out
end

redis.call('HSET', KEYS[1], 'updated', stamp, unpack(flat(ARGV[2], {})))
if ARGV[1] == '' then
  redis.call('ZADD', KEYS[5], now, ARGV[8])
  local prefix = string.sub(KEYS[1], 1, -#ARGV[8] - 1)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now - ARGV[3], 'LIMIT', 0, 10)) do
    if redis.call('EXISTS', prefix .. old) == 0 then redis.call('ZREM', KEYS[5], old) end
  end
end
if ARGV[4] == '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 1
end

local row = flat(ARGV[5], {'enqueued', 0, 'attempts', 0, 'fence', 0, 'created', stamp})
local function put(state, queued, delay, ...)
  redis.call('HSET', KEYS[2], 'state', state, 'queued', queued, unpack(row))
  if ... then redis.call('HSET', KEYS[2], ...) end
  redis.call('ZADD', KEYS[3], now + delay, ARGV[4])
  redis.call('HINCRBY', KEYS[4], 'jobs_planned', 1)
end

if #ARGV > 8 then
  local waits, resource, named = ARGV[9], ARGV[12], ARGV[15] ~= ''
  local id = named and redis.call('HGET', ARGV[11] .. resource, 'id') or resource
  local state, at, seq = unpack(redis.call('HMGET', ARGV[10] .. id, 'state', 'at', 'seq'))
  if seq and tonumber(seq) > tonumber(ARGV[13]) and tonumber(at) > tonumber(ARGV[14]) then
    put('due', 1, ARGV[7], 'saw', cjson.encode({state = state, at = tonumber(at), seq = tonumber(seq)}))
    return 1
  end
  put('waiting', 0, ARGV[6], 'seen', ARGV[13], 'after', ARGV[14])
  for _, known_by in ipairs(named and {id, ARGV[15] .. resource} or {id}) do
    redis.call('SADD', waits .. known_by, ARGV[4])
    redis.call('PEXPIRE', waits .. known_by, ARGV[3])
  end
  return 2
end

local later = tonumber(ARGV[6]) > 0
put('due', later and 0 or 1, later and ARGV[6] or ARGV[7])
return later and 2 or 1
