-- What a rule remembers between events, by the time of the events, and the rows of a rule that acts.
-- `c` has now, sweep (ms), and the keys row (prefix), times (prefix), due, count. A decision `d` has rule, flow (its rule and
-- key, in one word), shadow, max_age (ms), limits, rows. A limit has control, number, within (ms), asked.
local MOST, LOOK = 5000, 60000

local function finding(clause, asked, saw, held)
  return cjson.encode({clause = clause, asked = asked, saw = saw, held = held})
end

-- `keep` (ms) is how far back a rule can look: nothing older than its max_age acts, and it looks back for one window more.
local function remember(c, set, at, member, keep)
  redis.call('ZADD', set, at, member)
  redis.call('ZREMRANGEBYSCORE', set, '-inf', c.now - keep)
  redis.call('ZREMRANGEBYRANK', set, 0, -MOST - 1)
  redis.call('PEXPIRE', set, keep)
end

-- How many times of a set lie within one window with `at`, itself included, in whatever order they came; not counted much
-- further than the limit's number. The window is half open: what is as far away as it is long lies outside.
local function crowd(set, at, limit, member)
  local known = redis.call('ZSCORE', set, member)
  redis.call('ZADD', set, at, member)
  local rank = redis.call('ZRANK', set, member)
  local from = math.max(0, rank - limit.number)
  local near = redis.call('ZRANGE', set, from, rank + limit.number, 'WITHSCORES')
  if not known then redis.call('ZREM', set, member) end
  local own, count, last, most = rank - from + 1, #near / 2, 0, 0
  for first = 1, own do
    while last < count and near[2 * last + 2] - near[2 * first] < limit.within do last = last + 1 end
    if last >= own then most = math.max(most, last - first + 1) end
  end
  return most
end

-- The event counts, and says whether there are enough of them.
local function counted(c, d, at, member, findings)
  local set = c.times .. 'count:' .. d.flow
  local seen = crowd(set, at, d.count, member)
  remember(c, set, at, member, d.max_age + d.count.within)
  findings[#findings + 1] = finding('count', d.count.asked, seen, seen >= d.count.number)
  return seen >= d.count.number
end

-- A row is due at once, unless it follows another: then it waits for that one, and is looked at now and then all the same.
local function put(c, d, since)
  for _, row in ipairs(d.rows) do
    local key, fields = c.row .. row[1], {}
    for name, value in pairs(cjson.decode(row[3])) do
      fields[#fields + 1] = name
      fields[#fields + 1] = value
      if name == 'follows' then row.waits = true end
      if name == 'queue' then row.queue = value end
    end
    if since then
      fields[#fields + 1] = 'since'
      fields[#fields + 1] = string.format('%d', since)
    end
    if redis.call('EXISTS', key) == 0 then
      redis.call('HSET', key, 'state', row.waits and 'waiting' or 'due', 'queued', row.waits and 0 or 1, 'enqueued', 0,
        'attempts', 0, 'fence', 0, 'created', string.format('%d', c.now), unpack(fields))
      redis.call('ZADD', c.due, c.now + (row.waits and LOOK or c.sweep), row[1])
      redis.call('HINCRBY', c.count, 'jobs_planned', 1)
    end
  end
end

-- The rule would act at `at`: asks its limits, all of them before any remembers; then its rows exist, unless it is a shadow.
-- Returns what became of it: planned, shadow or withheld.
local function act(c, d, at, member, findings, since)
  local held = true
  if c.now - at > d.max_age then
    held = false
    findings[#findings + 1] = finding('max_age', d.max_age_asked, string.format('%d s', (c.now - at) / 1000), false)
  end
  for _, limit in ipairs(d.limits) do
    local others = crowd(c.times .. limit.control .. ':' .. d.flow, at, limit, member) - 1
    findings[#findings + 1] = finding(limit.control, limit.asked, others, others < limit.number)
    held = held and others < limit.number
  end
  if not held then return 'withheld' end
  for _, limit in ipairs(d.limits) do
    remember(c, c.times .. limit.control .. ':' .. d.flow, at, member, d.max_age + limit.within)
  end
  if d.shadow then
    findings[#findings + 1] = finding('enforce', 'on', 'shadow', false)
    return 'shadow'
  end
  put(c, d, since)
  return 'planned'
end
