#!lua
-- Guarantees: a run moves on once per generation, also one that was over, and what it needs next exists with it: a row that is due, or one that waits.
-- A wait is not registered when the state table knows something newer than the run has seen: then its row is due at once.
-- A wait for what is long-polled exists with its watch, which is free at once for a watcher that asks for its states, too.
-- What is counted of the move is counted with it, once.
-- KEYS run, row, due, count, runs, for what is watched (else absent): watches, watch   ARGV expected generation (empty: the run must not exist), run fields (JSON), lifetime (ms),
--      row id (empty: the run is over), row fields (JSON), delay (ms), sweep after (ms), run id, counts (JSON),
--      for a wait (else absent): waits prefix, resource prefix, alias prefix, resource, seen seq, evidence after (ms),
--      what stands before a name (empty: the resource is an id), state that it knows, key of who probes (empty: it looks
--      whatever others do), time between two probes (ms), deadline (ms)
--      for a message (else absent): '', key of who waits for it, told, event type, resource prefix, alias prefix, what it is
--      about (empty: anything), since when (ms), the last entry heard (may be empty)
-- Returns 1 when the row is due now, 2 when it is later or waits, 0 when the run has moved on already.
local generation, was = unpack(redis.call('HMGET', KEYS[1], 'generation', 'phase'))
if (generation or '') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%d', now)

local function flat(fields, out)
  for name, value in pairs(fields) do
    out[#out + 1] = name
    out[#out + 1] = value
  end
  return out
end

-- Runs that live are counted as they are now, those that are over as they ended.
local run = cjson.decode(ARGV[2])
if run.phase ~= was then
  if was == 'running' or was == 'waiting' then redis.call('HINCRBY', KEYS[4], 'runs_' .. was, -1) end
  redis.call('HINCRBY', KEYS[4], 'runs_' .. run.phase, 1)
end
for name, more in pairs(cjson.decode(ARGV[9])) do redis.call('HINCRBY', KEYS[4], name, more) end

redis.call('HSET', KEYS[1], 'updated', stamp, unpack(flat(run, {})))
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

redis.call('PERSIST', KEYS[1])
local fields = cjson.decode(ARGV[5])
local watched = fields.watched
fields.watched = nil
local row = flat(fields, {'enqueued', 0, 'attempts', 0, 'fence', 0, 'created', stamp})
local function put(state, queued, delay, ...)
  redis.call('HSET', KEYS[2], 'state', state, 'queued', queued, unpack(row))
  if ... then redis.call('HSET', KEYS[2], ...) end
  redis.call('ZADD', KEYS[3], now + delay, ARGV[4])
  redis.call('HINCRBY', KEYS[4], 'jobs_planned', 1)
end

local function watch()
  redis.call('HSET', KEYS[7], 'spec', watched.spec, 'row:' .. ARGV[4], watched.states)
  redis.call('PEXPIRE', KEYS[7], ARGV[3])
  redis.call('ZADD', KEYS[6], now + watched.rest, watched.id)
end

local function later(a, b)
  if b == '' then return true end
  local ms, number = string.match(a, '^(%d+)-(%d+)$')
  local old_ms, old_number = string.match(b, '^(%d+)-(%d+)$')
  if ms ~= old_ms then return tonumber(ms) > tonumber(old_ms) end
  return tonumber(number) > tonumber(old_number)
end

-- The last event of a type: of all, or of the resource that has this id, or else this name.
local function last_told(told, event, resources, aliases, about)
  if about == '' then return redis.call('HGET', told, event) end
  local own = 'told:' .. event
  local id = redis.call('HGET', aliases .. about, 'id')
  return redis.call('HGET', resources .. about, own) or id and redis.call('HGET', resources .. id, own)
end

if ARGV[10] == '' then
  local entry = last_told(ARGV[12], ARGV[13], ARGV[14], ARGV[15], ARGV[16])
  if entry and tonumber(string.match(entry, '^%d+')) >= tonumber(ARGV[17]) and later(entry, ARGV[18]) then
    put('due', 1, ARGV[7], 'saw', cjson.encode({entry = entry}))
    return 1
  end
  put('waiting', 0, ARGV[6], 'heard', ARGV[18])
  redis.call('SADD', ARGV[11], ARGV[4])
  redis.call('PEXPIRE', ARGV[11], ARGV[3])
  return 2
end

if #ARGV > 9 then
  local waits, resource, named = ARGV[10], ARGV[13], ARGV[16] ~= ''
  local id = named and redis.call('HGET', ARGV[12] .. resource, 'id') or resource
  local state, at, seq = unpack(redis.call('HMGET', ARGV[11] .. id, 'state', 'at', 'seq'))
  if seq and tonumber(seq) > tonumber(ARGV[14]) and tonumber(at) > tonumber(ARGV[15]) then
    put('due', 1, ARGV[7], 'saw', cjson.encode({state = state, at = tonumber(at), seq = tonumber(seq)}))
    return 1
  end
  put('waiting', 0, ARGV[6], 'seen', ARGV[14], 'after', ARGV[15], 'knows', ARGV[17], 'probe', ARGV[18], 'every', ARGV[19], 'until', ARGV[20])
  for _, known_by in ipairs(named and {id, ARGV[16] .. resource} or {id}) do
    redis.call('SADD', waits .. known_by, ARGV[4])
    redis.call('PEXPIRE', waits .. known_by, ARGV[3])
  end
  if watched then watch() end
  return 2
end

if watched then
  put('waiting', 0, ARGV[6])
  watch()
  return 2
end

local later = tonumber(ARGV[6]) > 0
put('due', later and 0 or 1, later and ARGV[6] or ARGV[7])
return later and 2 or 1
