#!lua
-- Guarantees: one verdict per event, whoever asks and however often; a resource's state never goes back.
-- A resource's order is (terminal, time, settled, state): total, so that every delivery order ends in the same state.
-- What is said by name alone is of whoever has the name at that time, also when its id becomes known only later.
-- KEYS event, meaning   ARGV entry, dedup window (ms), resource prefix, alias prefix, sighting (JSON, may be empty)
-- Returns the verdict as JSON: {verdict, kind, id, before, after, seq}.
local known = redis.call('HGET', KEYS[1], 'verdict')
if known then return known end

local entry, window = ARGV[1], tonumber(ARGV[2])
local s = ARGV[5] ~= '' and cjson.decode(ARGV[5]) or {}
local alias = s.name and ARGV[4] .. s.name
local verdict = {verdict = 'fresh'}

local function newer(s, old)
  if not old[2] then return true end
  local was, is = {tonumber(old[1]), tonumber(old[2]), tonumber(old[3])}, {s.terminal, s.at, s.settled}
  for i = 1, 3 do
    if is[i] ~= was[i] then return is[i] > was[i] end
  end
  return s.state > old[4]
end

-- Enters a sighting into the state table, if it is newer; returns whether it was.
local function enter(s, id)
  local key = ARGV[3] .. id
  if not newer(s, redis.call('HMGET', key, 'terminal', 'at', 'settled', 'state')) then return false end
  redis.call('HINCRBY', key, 'seq', 1)
  redis.call('HSET', key, 'terminal', s.terminal, 'at', string.format('%d', s.at), 'settled', s.settled, 'state', s.state, 'name', s.name or '')
  redis.call('PEXPIRE', key, 2 * window)
  return true
end

local function observe(id)
  local said = alias and redis.call('HGET', alias, 'said')
  said = said and cjson.decode(said)
  if said and said.at >= s.at then enter(said, id) end
  verdict.before = redis.call('HGET', ARGV[3] .. id, 'state') or nil
  local entered = enter(s, id)
  if not entered and s.guarded then verdict.verdict = 'stale' end
  if entered and alias then redis.call('HSET', alias, 'id', id) end
  verdict.after, verdict.seq = unpack(redis.call('HMGET', ARGV[3] .. id, 'state', 'seq'))
  verdict.seq = tonumber(verdict.seq)
end

-- The id of who had the sighting's name at its time; the sighting is kept for one who turns out to have had it.
local function named()
  redis.call('HSET', alias, 'said', ARGV[5])
  local id = redis.call('HGET', alias, 'id')
  if id and s.at >= tonumber(redis.call('HGET', ARGV[3] .. id, 'at') or 0) then return id end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
verdict.kind = s.kind

if s.at and s.at < now - window then
  verdict.verdict, verdict.id = 'late', s.id
elseif (redis.call('SET', KEYS[2], entry, 'NX', 'GET', 'PX', window) or entry) ~= entry then
  verdict.verdict, verdict.id = 'repeat', s.id
elseif s.state then
  verdict.id = s.id or alias and named()
  if verdict.id then observe(verdict.id) end
  if alias then redis.call('PEXPIRE', alias, 2 * window) end
end

local json = cjson.encode(verdict)
redis.call('HSET', KEYS[1], 'verdict', json)
redis.call('PEXPIRE', KEYS[1], 2 * window)
return json
