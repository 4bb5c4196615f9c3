#!lua flags=allow-oom
-- Guarantees: at most one live lease per row; each claim gets a higher fence than all before; nothing finished is claimed.
-- KEYS row, due   ARGV row id, lease (ms), worker, gate prefix
-- Returns {'claimed', field, value, ...} or why not: {'missing'|'finished'|'leased'|'early'|'gated', detail}.
local state, lease, queued, api, operation =
  unpack(redis.call('HMGET', KEYS[1], 'state', 'lease', 'queued', 'api', 'operation'))
if not state then return {'missing', ''} end
if state ~= 'due' and state ~= 'running' then return {'finished', state} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if state == 'running' and (tonumber(lease) or 0) > now then return {'leased', lease} end
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if state == 'due' and queued == '0' and due and tonumber(due) > now then return {'early', due} end

for _, gate in ipairs({api or '', (api or '') .. '.' .. (operation or '')}) do
  local closed = redis.call('PTTL', ARGV[4] .. gate)
  if closed > 0 then
    redis.call('HSET', KEYS[1], 'state', 'due', 'queued', 0)
    redis.call('ZADD', KEYS[2], now + closed, ARGV[1])
    return {'gated', gate}
  end
end

local leased = string.format('%d', now + ARGV[2])
redis.call('HSET', KEYS[1], 'state', 'running', 'queued', 0, 'lease', leased, 'worker', ARGV[3], 'claimed', string.format('%d', now))
redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('ZADD', KEYS[2], leased, ARGV[1])
return {'claimed', unpack(redis.call('HGETALL', KEYS[1]))}
