#!lua flags=allow-oom
-- Guarantees: of rows that ended dead or unknown, and of events set aside, no more than so many of each are kept: the oldest go
-- first, and how many went is counted. One call lets a thousand of each go, and says how many are to go yet. A row that lives again is left alone. An event that
-- was set aside and goes is held in the log by its age alone; what was decided of it before stands.
-- KEYS finished dead, finished unknown, aside, count   ARGV how many to keep of each, row prefix
-- Returns how many of each were forgotten, then how many are too many still.
local CHUNK = 1000
local forgotten, left = {}, 0

for number, state in ipairs({'dead', 'unknown'}) do
  local surplus = redis.call('ZCARD', KEYS[number]) - ARGV[1]
  local last = math.min(surplus, CHUNK) - 1
  forgotten[number] = 0
  for _, row in ipairs(surplus > 0 and redis.call('ZRANGE', KEYS[number], 0, last) or {}) do
    local key = ARGV[2] .. row
    if redis.call('HGET', key, 'state') == state then
      redis.call('UNLINK', key)
      forgotten[number] = forgotten[number] + 1
    end
  end
  if surplus > 0 then redis.call('ZREMRANGEBYRANK', KEYS[number], 0, last) end
  left = left + math.max(0, surplus - CHUNK)
end

local surplus = redis.call('ZCARD', KEYS[3]) - ARGV[1]
forgotten[3] = surplus > 0 and redis.call('ZREMRANGEBYRANK', KEYS[3], 0, math.min(surplus, CHUNK) - 1) or 0
left = left + math.max(0, surplus - CHUNK)

for number, name in ipairs({'dead', 'unknown', 'aside'}) do
  if forgotten[number] > 0 then redis.call('HINCRBY', KEYS[4], 'forgotten_' .. name, forgotten[number]) end
end
forgotten[4] = left
return forgotten
