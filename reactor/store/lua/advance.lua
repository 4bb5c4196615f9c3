#!lua
-- Guarantees: a run moves on once per generation, also one that was over, and what it needs next exists with it: a row that is
-- due, or one that waits. What is counted of the move is counted with it, once.
-- A row does not wait for what is there already: when the state table knows of a change that the run has not seen, or the
-- message has come, the row is due at once.
-- A message counts if it was accepted since the run began, by the one clock that both have: this server's.
-- A wait for what is long-polled exists with its watch, which is free at once for a watcher that asks for its states, too.
-- KEYS run, row, due, count, runs, for what is watched (else absent): watches, watch
-- ARGV expected generation (empty: the run must not exist), run fields (JSON), lifetime (ms), row id (empty: the run is over),
--      row fields (JSON), delay (ms), sweep after (ms), run id, counts (JSON), then what the row waits for (JSON, may be empty):
--      a resource: waits, resources, aliases (prefixes), resource, named (what stands before a name; empty: it is an id), seen
--      (seq), after (ms), knows (state), probe (key of who looks; empty: it looks whatever others do), every (ms), until (ms)
--      a message: hears, told (keys), resources, aliases (prefixes), event, about (id or name; empty: any), heard
-- Returns 1 when the row is due now, 2 when it is later or waits, 0 when the run has moved on already.
-- @include now
-- @include places
local generation, was = unpack(redis.call('HMGET', KEYS[1], 'generation', 'phase'))
if (generation or '') ~= ARGV[1] then return 0 end
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
  redis.call('HSET', KEYS[1], 'began', stamp)
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

local function due(saw)
  put('due', 1, ARGV[7], 'saw', cjson.encode(saw))
  return 1
end

local function wait(sets, ...)
  put('waiting', 0, ARGV[6], ...)
  for _, set in ipairs(sets) do
    redis.call('SADD', set, ARGV[4])
    redis.call('PEXPIRE', set, ARGV[3])
  end
  if watched then
    redis.call('HSET', KEYS[7], 'spec', watched.spec, 'row:' .. ARGV[4], watched.states)
    redis.call('PEXPIRE', KEYS[7], ARGV[3])
    redis.call('ZADD', KEYS[6], now + watched.rest, watched.id)
  end
  return 2
end

-- The last event of the type: of all, or of the resource that has this id, or else this name.
local function last_told(w)
  if w.about == '' then return redis.call('HGET', w.told, w.event) end
  local own = 'told:' .. w.event
  local id = redis.call('HGET', w.aliases .. w.about, 'id')
  return redis.call('HGET', w.resources .. w.about, own) or id and redis.call('HGET', w.resources .. id, own)
end

local function wait_for_message(w)
  local entry, began = last_told(w), redis.call('HGET', KEYS[1], 'began')
  if entry and accepted_since(entry, began) and after(entry, w.heard) then
    return due({entry = entry})
  end
  return wait({w.hears}, 'heard', w.heard, 'began', began)
end

local function wait_for_resource(w)
  local named = w.named ~= ''
  local id = named and redis.call('HGET', w.aliases .. w.resource, 'id') or w.resource
  local state, at, seq = unpack(redis.call('HMGET', w.resources .. id, 'state', 'at', 'seq'))
  if seq and tonumber(seq) > tonumber(w.seen) and tonumber(at) > tonumber(w.after) then
    return due({state = state, at = tonumber(at), seq = tonumber(seq)})
  end
  local sets = {w.waits .. id}
  if named then sets[2] = w.waits .. w.named .. w.resource end
  return wait(sets, 'seen', w.seen, 'after', w.after, 'knows', w.knows, 'probe', w.probe, 'every', w.every, 'until', w['until'])
end

if ARGV[10] ~= '' then
  local w = cjson.decode(ARGV[10])
  return w.hears and wait_for_message(w) or wait_for_resource(w)
end
if watched then return wait({}) end

local later = tonumber(ARGV[6]) > 0
put('due', later and 0 or 1, later and ARGV[6] or ARGV[7])
return later and 2 or 1
