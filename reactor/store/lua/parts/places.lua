-- Whether one place of the log comes before another, which may be none (empty or false): everything comes after that.
local function before(one, other)
  if not other or other == '' then return false end
  local ms, number = string.match(one, '^(%d+)-(%d+)$')
  local other_ms, other_number = string.match(other, '^(%d+)-(%d+)$')
  if ms ~= other_ms then return tonumber(ms) < tonumber(other_ms) end
  return tonumber(number) < tonumber(other_number)
end

local function after(one, other) return not before(one, other) and one ~= other end

-- Whether the event at a place was accepted at a time (ms) or later.
local function accepted_since(entry, time) return tonumber(string.match(entry, '^%d+')) >= tonumber(time) end
