#!lua
-- Guarantees: a timer ripens once, by its time: it looks again at what it depends on and at the limits of its rule, and its rows
-- and its findings exist from then on, or never. What it needs it carries; what was decided since does not change it.
-- KEYS timer, due, count
-- ARGV timer id, sweep after (ms), row prefix, times prefix, lifetime (ms)
-- Returns {outcome, row id, its queue ('': the main one), row id, ...} of the rows that are due now; nothing when it is not its
-- time, or was before.
-- @include now
-- @include flow
local state, at, decision, entry, events = unpack(redis.call('HMGET', KEYS[1], 'state', 'at', 'decision', 'entry', 'events'))
local member = 'timer/' .. ARGV[1]
if state ~= 'waiting' then
  redis.call('ZREM', KEYS[2], member)
  return {}
end
local c = {now = now, sweep = ARGV[2], row = ARGV[3], times = ARGV[4], due = KEYS[2], count = KEYS[3]}
at = tonumber(at)
if at > now then
  redis.call('ZADD', KEYS[2], at, member)
  return {}
end
local d = cjson.decode(decision)

-- Whether what the timer waited for has come about, and what it saw.
local CHECKS = {
  ['for'] = function(timer)
    local found, entered = unpack(redis.call('HMGET', timer.resource, 'state', 'entered'))
    return found and tonumber(entered or 0) == timer.entered, found or 'unknown'
  end,
  unless = function(timer)
    local set = ARGV[4] .. 'unless:' .. d.flow
    local own = redis.call('ZSCORE', set, entry) and 1 or 0
    local met = redis.call('ZCOUNT', set, at - timer.delay, at) - own
    return met == 0, met
  end,
  debounce = function() return true, tonumber(events) end,
}

local held, saw = CHECKS[d.timer.control](d.timer)
local findings = {finding(d.timer.control, d.timer.asked, saw, held and true or false)}
local outcome = held and act(c, d, at, member, findings, at) or 'withheld'
redis.call('HSET', KEYS[1], 'state', 'ripe', 'outcome', outcome, 'findings', '[' .. table.concat(findings, ',') .. ']',
  'ripened', string.format('%d', now))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZREM', KEYS[2], member)
local out = {outcome}
for _, row in ipairs(outcome == 'planned' and d.rows or {}) do
  if not row.waits then
    out[#out + 1] = row[1]
    out[#out + 1] = row.queue or ''
  end
end
return out
