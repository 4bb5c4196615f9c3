-- What a row that ended means to the row that follows it. `c` has now, sweep (ms), lifetime (ms), and the keys row (prefix), due.
-- One that is done lets the next one go on, also one that was cancelled because of it before; any other end cancels the next
-- one and all after it, and says because of which job. `first` is the next row where the row that ended can't be asked for it.
local function follow(c, id, state, why, first)
  local root, next = id, first or redis.call('HGET', c.row .. id, 'next')
  while next do
    local key = c.row .. next
    local was, because = unpack(redis.call('HMGET', key, 'state', 'because'))
    if state == 'done' then
      if was == 'waiting' or (was == 'cancelled' and because == id) then
        redis.call('HSET', key, 'state', 'due', 'queued', 1)
        redis.call('HDEL', key, 'because', 'ended', 'error')
        redis.call('PERSIST', key)
        redis.call('ZADD', c.due, c.now + c.sweep, next)
      end
      return
    end
    if was ~= 'waiting' then return end
    local error = 'job ' .. root .. ', which came before it, is ' .. state .. ': ' .. (why or '')
    redis.call('HSET', key, 'state', 'cancelled', 'because', id, 'error', error, 'ended', string.format('%d', c.now))
    redis.call('ZREM', c.due, next)
    redis.call('PEXPIRE', key, c.lifetime)
    id, next = next, redis.call('HGET', key, 'next')
  end
end
