-- Puts an event into the log, once within the dedup window (ms) however often it comes. Later copies are counted, and cost
-- nothing before there are any; that one can't be counted keeps nobody from being told that it is there.
-- `fields` are the names of the entry's fields and their values, in turn.
-- Returns whether it is new, and its entry or that of the first.
local function append(log, seen, copies, window, fields)
  local first = redis.call('GET', seen)
  if first then
    redis.pcall('INCR', copies)
    redis.call('PEXPIRE', copies, window)
    return false, first
  end
  local entry = redis.call('XADD', log, '*', unpack(fields))
  redis.call('SET', seen, entry, 'PX', window)
  return true, entry
end
