#!lua
-- Guarantees: one verdict per event, whoever asks and however often; a resource's state never goes back.
-- A resource's order is (terminal, time, settled, state): total, so that every delivery order ends in the same state.
-- KEYS event, meaning   ARGV entry, dedup window (ms), resource prefix, alias prefix, sighting (JSON, may be empty)
-- Returns the verdict as JSON: {verdict, kind, id, before, after, seq}.
local known = redis.call('HGET', KEYS[1], 'verdict')
if known then return known end

local entry, window = ARGV[1], tonumber(ARGV[2])
local s = ARGV[5] ~= '' and cjson.decode(ARGV[5]) or {}
local verdict = {verdict = 'fresh'}

local function newer(old)
  if not old[2] then return true end
  local was, is = {tonumber(old[1]), tonumber(old[2]), tonumber(old[3])}, {s.terminal, s.at, s.settled}
  for i = 1, 3 do
    if is[i] ~= was[i] then return is[i] > was[i] end
  end
  return s.state > old[4]
end

local function observe(key)
  local old = redis.call('HMGET', key, 'terminal', 'at', 'settled', 'state', 'seq')
  verdict.before, verdict.seq = old[4] or nil, tonumber(old[5] or 0)
  if newer(old) then
    verdict.seq = redis.call('HINCRBY', key, 'seq', 1)
    redis.call('HSET', key, 'terminal', s.terminal, 'at', string.format('%d', s.at), 'settled', s.settled, 'state', s.state, 'name', s.name or '')
    redis.call('PEXPIRE', key, 2 * window)
    if s.name then redis.call('SET', ARGV[4] .. s.name, s.id, 'PX', 2 * window) end
  elseif s.guarded then
    verdict.verdict = 'stale'
  end
  verdict.after = redis.call('HGET', key, 'state')
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if s.kind and not s.id and s.name then s.id = redis.call('GET', ARGV[4] .. s.name) or nil end
verdict.kind, verdict.id = s.kind, s.id

if s.at and s.at < now - window then
  verdict.verdict = 'late'
elseif (redis.call('SET', KEYS[2], entry, 'NX', 'GET', 'PX', window) or entry) ~= entry then
  verdict.verdict = 'repeat'
elseif s.id and s.state then
  observe(ARGV[3] .. s.id)
end

local json = cjson.encode(verdict)
redis.call('HSET', KEYS[1], 'verdict', json)
redis.call('PEXPIRE', KEYS[1], 2 * window)
return json
