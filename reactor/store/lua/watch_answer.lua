#!lua
-- Guarantees: a row that waits for a watched resource is woken once, with the answer itself, if it is one that it asked for.
-- The events of what an answer shows are in the log with that: nobody is woken by one of them who then reads what was answered.
-- KEYS due, watch, log
-- ARGV row prefix, sweep after (ms), state (empty: the answer is for all), what was answered (JSON),
--      the events (JSON): seen, copies (keys), window (ms), fields and values in turn
-- Returns the rows that are due now.
-- @include now
-- @include append
for _, event in ipairs(cjson.decode(ARGV[5])) do append(KEYS[3], event.seen, event.copies, event.window, event.fields) end

local out, fields = {}, redis.call('HGETALL', KEYS[2])

local function asked_for(states)
  if ARGV[3] == '' then return true end
  for _, state in ipairs(cjson.decode(states)) do
    if state == ARGV[3] then return true end
  end
  return false
end

for i = 1, #fields, 2 do
  local row = string.match(fields[i], '^row:(.*)')
  if row and asked_for(fields[i + 1]) then
    redis.call('HDEL', KEYS[2], fields[i])
    if redis.call('HGET', ARGV[1] .. row, 'state') == 'waiting' then
      redis.call('HSET', ARGV[1] .. row, 'state', 'due', 'queued', 1, 'saw', ARGV[4])
      redis.call('ZADD', KEYS[1], now + ARGV[2], row)
      out[#out + 1] = row
    end
  end
end
return out
