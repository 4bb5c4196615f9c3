#!lua
-- Guarantees: an event is planned once, and a second plan gets the first. What its rules remember, the timers they set, their
-- rows and the findings of their controls exist with the plan or not at all. Each row is due for the sweeper; each timer is due.
-- KEYS event, due, count
-- ARGV entry, time of the event (ms), sweep after (ms), row prefix, timer prefix, flow prefix, times prefix, lifetime (ms),
--      revision (JSON), faults (JSON), what is called off (JSON: [flow, within (ms)], ...), then the decisions (JSON), each with
--      rule, outcome, findings, flow, shadow, count, timer, max_age, limits, rows ([id, action, fields (JSON)], ...)
-- Returns {1, plan (JSON)} when it is stored now, {0, plan} when an earlier one stands.
-- @include now
-- @include flow
local known = redis.call('HGET', KEYS[1], 'plan')
if known then return {0, known} end
local c = {now = now, sweep = ARGV[3], row = ARGV[4], times = ARGV[7], due = KEYS[2], count = KEYS[3]}
local entry, at = ARGV[1], math.min(tonumber(ARGV[2]), now)

local function schedule(id, deadline, ...)
  redis.call('HSET', ARGV[5] .. id, 'state', 'waiting', 'entry', entry, 'at', string.format('%d', deadline), ...)
  redis.call('ZADD', KEYS[2], deadline, 'timer/' .. id)
end

-- Returns the timer that the event is part of, and whether it waits still.
local function hold(d, decision)
  local state = redis.call('HGET', ARGV[5] .. d.timer.id, 'state')
  if not state then schedule(d.timer.id, at + d.timer.delay, 'rule', d.rule, 'decision', decision) end
  return d.timer.id, state ~= 'ripe'
end

-- One timer for each burst: it carries the last event, by time, and is over when none came for long enough. An event that is
-- too old for the newest burst is one of its own.
local function debounce(d, decision)
  local flow, wait = ARGV[6] .. d.flow, d.timer.delay
  local id, first = unpack(redis.call('HMGET', flow, 'timer', 'first'))
  local state, deadline, last = unpack(redis.call('HMGET', ARGV[5] .. (id or ''), 'state', 'at', 'last'))
  local open = state == 'waiting'
  local older = open and at < tonumber(first) - wait
  if open and not older and at <= tonumber(deadline) then
    local key = ARGV[5] .. id
    first, last = math.min(first, at), tonumber(last)
    local ends = math.min(math.max(last, at) + wait, first + d.timer.at_most)
    if at >= last then redis.call('HSET', key, 'entry', entry, 'decision', decision, 'last', string.format('%d', at)) end
    redis.call('HSET', key, 'at', string.format('%d', ends))
    redis.call('ZADD', KEYS[2], ends, 'timer/' .. id)
  else
    id, first = d.timer.id, at
    schedule(id, at + wait, 'rule', d.rule, 'decision', decision, 'last', string.format('%d', at))
  end
  redis.call('HINCRBY', ARGV[5] .. id, 'events', 1)
  if not older then
    redis.call('HSET', flow, 'timer', id, 'first', string.format('%d', first))
    redis.call('PEXPIRE', flow, ARGV[8])
  end
  return id, true
end

local function decide(d, decision)
  if d.outcome ~= 'planned' then return d.outcome end
  if d.count and not counted(c, d, at, entry, d.findings) then return 'withheld' end
  if not d.timer then return act(c, d, at, entry, d.findings) end
  local id, waits = (d.timer.control == 'debounce' and debounce or hold)(d, decision)
  local ends = tonumber(redis.call('HGET', ARGV[5] .. id, 'at'))
  d.findings[#d.findings + 1] = finding(d.timer.control, d.timer.asked, {[waits and 'until' or 'over'] = ends}, false)
  return waits and 'waiting' or 'withheld', id
end

for _, off in ipairs(cjson.decode(ARGV[11])) do
  remember(c, ARGV[7] .. 'unless:' .. off[1], at, entry, 2 * off[2] + 86400000)
end

local rules, rows = {}, {}
for i = 12, #ARGV do
  local d = cjson.decode(ARGV[i])
  local outcome, timer = decide(d, ARGV[i])
  if outcome == 'planned' then
    for _, row in ipairs(d.rows) do rows[#rows + 1] = cjson.encode({row[1], d.rule, row[2]}) end
  end
  rules[#rules + 1] = '{"rule":' .. cjson.encode(d.rule) .. ',"outcome":"' .. outcome .. '","findings":['
    .. table.concat(d.findings, ',') .. ']' .. (timer and ',"timer":"' .. timer .. '"' or '') .. '}'
end
local plan = '{"revision":' .. ARGV[9] .. ',"rows":[' .. table.concat(rows, ',') .. '],"faults":' .. ARGV[10]
  .. ',"rules":[' .. table.concat(rules, ',') .. ']}'
redis.call('HSET', KEYS[1], 'plan', plan)
return {1, plan}
