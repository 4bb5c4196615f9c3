-- Makes the waiting rows of some sets due, each once, with what they are to see. `c` has now, sweep (ms), row (prefix), due.
-- `evidence` gets a row's key and returns what the row is to see, or nothing: then it waits on. Adds the rows to `roused`.
local function rouse(c, sets, evidence, roused)
  for _, set in ipairs(sets) do
    for _, row in ipairs(redis.call('SMEMBERS', set)) do
      local key = c.row .. row
      local waits = redis.call('HGET', key, 'state') == 'waiting'
      local saw = waits and evidence(key)
      if saw or not waits then redis.call('SREM', set, row) end
      if saw then
        redis.call('HSET', key, 'state', 'due', 'queued', 1, 'saw', cjson.encode(saw))
        redis.call('ZADD', c.due, c.now + c.sweep, row)
        roused[#roused + 1] = row
      end
    end
  end
  return roused
end
