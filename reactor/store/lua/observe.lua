#!lua
-- Guarantees: one verdict per event, whoever asks and however often; a resource's state never goes back.
-- A resource's order is (terminal, time, settled, state): total, so that every delivery order ends in the same state.
-- What is said by name alone is of whoever has the name at that time, also when its id becomes known only later.
-- A read and the event of what it showed fire once, whichever comes first: the second of them confirms, and is a repeat.
-- `entered` is the seq with which a resource came to be in its state: an event about a change of state enters it anew.
-- KEYS event, meaning, live   ARGV entry, dedup window (ms), resource prefix, alias prefix, sighting (JSON, may be empty)
-- Returns the verdict as JSON: {verdict, kind, id, before, after, seq, entered}.
-- @include now
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

-- Enters a sighting into the state table, if it is newer; returns whether it was. A state that is only confirmed is no change.
-- What is known by a read alone keeps the span in which the event of it may be dated: after `since`, up to `upto`.
local function enter(s, id, confirms)
  local key = ARGV[3] .. id
  local old = redis.call('HMGET', key, 'terminal', 'at', 'settled', 'state')
  if not newer(s, old) then return false end
  redis.call(s.terminal == 1 and 'SREM' or 'SADD', KEYS[3], id)  -- first: should it be refused, nothing is entered
  redis.call('PEXPIRE', KEYS[3], 2 * window)
  redis.call('HSET', key, 'terminal', s.terminal, 'at', string.format('%d', s.at), 'settled', s.settled, 'state', s.state, 'name', s.name or '')
  if not (confirms and s.upto) then redis.call('HDEL', key, 'upto', 'since', 'filled') end
  if not confirms then
    local seq = redis.call('HINCRBY', key, 'seq', 1)
    if s.guarded or old[4] ~= s.state then redis.call('HSET', key, 'entered', seq) end
    if s.upto then redis.call('HSET', key, 'upto', string.format('%d', s.upto), 'since', old[2] or '0') end
  end
  redis.call('PEXPIRE', key, 2 * window)
  return true
end

-- Whether a sighting only says again what another told: a read tells no state anew, and the first event after one neither.
local function confirms(key)
  local state, upto, filled = unpack(redis.call('HMGET', key, 'state', 'upto', 'filled'))
  if state ~= s.state or s.birth or (filled and not s.upto) then return false end
  return s.upto or s.terminal == 1 or (upto and s.at <= tonumber(upto)) or false
end

local function judge(key, entered, confirmed)
  if s.birth then
    local born = redis.call('HGET', key, 'born')
    if born and (born ~= 'filled' or s.upto) then return 'repeat' end
    redis.call('HSET', key, 'born', entry)
    return 'fresh'
  end
  if confirmed then return (entered or not s.guarded) and 'repeat' or 'stale' end
  if entered or not s.guarded then return 'fresh' end
  local filled = redis.call('HGET', key, 'filled') and redis.call('HGET', key, 'state') == s.state
  if filled then redis.call('HDEL', key, 'filled') end
  return filled and 'fresh' or 'stale'
end

local function observe(id)
  local key = ARGV[3] .. id
  local said = alias and redis.call('HGET', alias, 'said')
  said = said and cjson.decode(said)
  if said and s.id and said.at >= s.at then enter(said, id) end
  verdict.before = redis.call('HGET', key, 'state') or nil
  local confirmed = confirms(key)
  local entered = not (s.birth and s.upto) and enter(s, id, confirmed)
  verdict.verdict = judge(key, entered, confirmed)
  if entered and alias then redis.call('HSET', alias, 'id', id) end
  redis.call('PEXPIRE', key, 2 * window)
  local state, seq, since = unpack(redis.call('HMGET', key, 'state', 'seq', 'entered'))
  verdict.after, verdict.seq, verdict.entered = state or nil, tonumber(seq or nil), tonumber(since or 0)
end

-- The id of who had the sighting's name at its time; the sighting is kept for one who turns out to have had it.
local function named()
  redis.call('HSET', alias, 'said', ARGV[5])
  local id = redis.call('HGET', alias, 'id')
  if not id then return nil end
  local at, state, since, upto = unpack(redis.call('HMGET', ARGV[3] .. id, 'at', 'state', 'since', 'upto'))
  if s.at >= tonumber(at or 0) then return id end
  if upto and state == s.state and s.at > tonumber(since) and s.at <= tonumber(upto) then return id end
end

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
