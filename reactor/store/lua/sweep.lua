#!lua flags=allow-oom
-- Guarantees: each due row is given out once per look, to one caller, and looked at later and later while nobody takes it;
-- a row that may stand in its queue gets another entry only if its own is looked for in that queue and not found. So no queue
-- gets longer than twice its rows, and what RQ lost waits for no other row.
-- Of the rows that wait for one resource, one at a time is given out to look; the others wait on, up to their deadline.
-- A timer whose time has come is given out like a row. A row that waits for another one is not: it goes on or is cancelled as that
-- one ended, should whoever ended it not have seen to that.
-- An entry that can't be looked at is in no other's way: what is no id of ours leaves the set, any other is looked at rarely.
-- Neither is a queue whose key is of another type: its rows are looked at rarely, until it is one again.
-- KEYS due, RQ's main queue; the key of each other queue is that one's, a dot, and the queue's name.
-- ARGV row prefix, how many, look again after (ms), longest pause (ms), timer prefix, lifetime (ms), entries of each queue to
--      compare at most
-- Returns row id or timer/id, number of this enqueue, the row's queue ('' for the main one), row id, ...;
--      number 0 for one that can't be looked at, -1 and the key of it in the row's place for a queue that can't
-- @include now
-- @include chain
local live = redis.call('ZCARD', KEYS[1])
local queues, broken = {}, nil
local c = {now = now, sweep = ARGV[3], lifetime = ARGV[6], row = ARGV[1], due = KEYS[1]}
local out = {}

-- Whether somebody else looks at what a row waits for. Who finds nobody does it, for as long as looks are apart.
local function looked_at(key, row)
  local probe, every, deadline = unpack(redis.call('HMGET', key, 'probe', 'every', 'until'))
  if not probe or probe == '' or now >= tonumber(deadline) then return false end
  if redis.call('SET', probe, row, 'NX', 'PX', every) then return false end
  redis.call('ZADD', KEYS[1], math.min(now + every * (0.8 + 0.4 * math.random()), deadline), row)
  return true
end

local function give(member, number, queue)
  out[#out + 1] = member
  out[#out + 1] = number
  out[#out + 1] = queue or ''
end

local function again(looks)
  return now + math.min(ARGV[3] * 2 ^ math.min(tonumber(looks) or 0, 10), ARGV[4])
end

local function look_at_timer(member)
  local key = ARGV[5] .. string.sub(member, 7)
  local state, looks = unpack(redis.call('HMGET', key, 'state', 'looks'))
  if state ~= 'waiting' then
    redis.call('ZREM', KEYS[1], member)
    return
  end
  redis.call('ZADD', KEYS[1], again(looks), member)
  give(member, redis.call('HINCRBY', key, 'looks', 1))
end

local function look_at_chain(row, before)
  local state, why = unpack(redis.call('HMGET', ARGV[1] .. before, 'state', 'error'))
  redis.call('ZADD', KEYS[1], now + ARGV[4], row)
  if state == 'done' or state == 'dead' or state == 'unknown' or state == 'cancelled' then
    follow(c, before, state, why)
  elseif not state then
    follow(c, before, 'gone', 'nobody knows what became of it', row)
  end
end

-- A queue as it is now: its key, its depth, how many entries it may still get, and how many may still be compared; false for
-- one whose key is of another type.
local function queue_of(name)
  local key = KEYS[2] .. (name and '.' .. name or '')
  if queues[key] == nil then
    local depth = redis.pcall('LLEN', key)
    if type(depth) == 'table' and string.find(depth.err, 'WRONGTYPE', 1, true) then
      queues[key] = false
      give(key, -1, name)
      return false
    elseif type(depth) == 'table' then
      broken = depth
      error(depth.err)
    end
    queues[key] = {key = key, depth = depth, room = 2 * live - depth, compare = tonumber(ARGV[7])}
  end
  return queues[key]
end

-- An entry is named after its row and the number of its enqueue; one made when the row was planned or woken has number 0.
local function lost(row, enqueued, queue)
  queue.compare = queue.compare - 2 * queue.depth
  if queue.compare < 0 or queue.room <= 0 then return false end
  for _, number in ipairs({enqueued, '0'}) do
    if redis.call('LPOS', queue.key, row .. '-' .. number) then return false end
  end
  return true
end

local function look_at_row(row)
  local key = ARGV[1] .. row
  local state, queued, enqueued, lease, follows, name =
    unpack(redis.call('HMGET', key, 'state', 'queued', 'enqueued', 'lease', 'follows', 'queue'))
  if state == 'waiting' and follows then
    look_at_chain(row, follows)
  elseif state ~= 'due' and state ~= 'running' and state ~= 'waiting' then
    redis.call('ZREM', KEYS[1], row)
  elseif state == 'running' and (tonumber(lease) or 0) > now then
    redis.call('ZADD', KEYS[1], lease, row)
  elseif not (state == 'waiting' and looked_at(key, row)) then
    redis.call('ZADD', KEYS[1], again(enqueued), row)
    local queue = queue_of(name)
    if not queue then
      redis.call('ZADD', KEYS[1], now + ARGV[4], row)
    elseif queued == '0' or lost(row, enqueued or '0', queue) then
      give(row, redis.call('HINCRBY', key, 'enqueued', 1), name)
      redis.call('HSET', key, 'state', state == 'waiting' and 'due' or state, 'queued', 1)
      queue.room = queue.room - 1
    end
  end
end

for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local id, is_timer = string.gsub(entry, '^timer/', '')
  if string.find(id, '[^%w_-]') or id == '' then
    redis.call('ZREM', KEYS[1], entry)
  elseif not pcall(is_timer == 1 and look_at_timer or look_at_row, entry) then
    if broken then return broken end
    redis.call('ZADD', KEYS[1], now + ARGV[4], entry)
    give(entry, 0)
  end
end
return out
