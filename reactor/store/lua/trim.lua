#!lua flags=allow-oom
-- Guarantees: what is older than the retention leaves the event log, but nothing that any consumer group has not read or not
-- acknowledged, and no event that was set aside: that stays as long as what has ended is kept, and holds nothing but itself.
-- One call looks past a thousand of those and deletes a few thousand events between them; the next call goes on.
-- Lists that name rows and runs name none that has expired.
-- KEYS log, aside, finished dead, finished unknown, runs   ARGV retention (ms), lifetime of what has ended (ms), run prefix
-- Returns how many events left the log.
-- @include now
-- @include places

for _, finished in ipairs({KEYS[3], KEYS[4]}) do
  redis.call('ZREMRANGEBYSCORE', finished, '-inf', string.format('%d', now - ARGV[2]))
end
for _, run in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', string.format('%d', now - ARGV[2]), 'LIMIT', 0, 1000)) do
  if redis.call('EXISTS', ARGV[3] .. run) == 0 then redis.call('ZREM', KEYS[5], run) end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%d', now - math.max(ARGV[1], ARGV[2])))
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end

local keep
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  local held = string.gsub(group['last-delivered-id'], '%d+$', function(number) return string.format('%d', number + 1) end)
  if group.pending > 0 then held = redis.call('XPENDING', KEYS[1], group.name)[2] end
  if not keep or before(held, keep) then keep = held end
end
if not keep then return 0 end
local oldest = string.format('%d-0', now - ARGV[1])
local upto = before(keep, oldest) and keep or oldest

-- Deletes what lies between two places, neither included; returns how much.
local function delete(first, last, most)
  local places = {}
  for _, found in ipairs(redis.call('XRANGE', KEYS[1], '(' .. first, '(' .. last, 'COUNT', most)) do
    places[#places + 1] = found[1]
  end
  return #places > 0 and redis.call('XDEL', KEYS[1], unpack(places)) or 0
end

local MOST, DELETED = 1000, 5000
local spared = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', (string.match(upto, '%d+')), 'LIMIT', 0, MOST)
table.sort(spared, before)
while #spared > 0 and not before(spared[#spared], upto) do table.remove(spared) end
local trimmed = redis.call('XTRIM', KEYS[1], 'MINID', '=', spared[1] or upto)
local left = DELETED
for number, place in ipairs(spared) do
  local last = spared[number + 1] or (number < MOST and upto) or place
  while left > 0 do
    local gone = delete(place, last, math.min(left, MOST))
    trimmed, left = trimmed + gone, left - gone
    if gone < MOST then break end
  end
end
return trimmed
