#!lua flags=allow-oom
-- Guarantees: at most one live lease per row; each claim gets a higher fence than all before; nothing finished is claimed.
-- A row that is paused, or behind a gate, stays due and spends no attempt; what a pause holds is noted, to be let go with it.
-- KEYS row, due, pauses   ARGV row id, lease (ms), worker, gate prefix, held prefix, look again at what is paused after (ms)
-- Returns {'claimed', field, value, ...} or why not: {'missing'|'finished'|'leased'|'early'|'paused'|'gated', detail}.
-- @include now
local state, lease, queued, api, operation, rule =
  unpack(redis.call('HMGET', KEYS[1], 'state', 'lease', 'queued', 'api', 'operation', 'rule'))
if not state then return {'missing', ''} end
if state ~= 'due' and state ~= 'running' then return {'finished', state} end
if state == 'running' and (tonumber(lease) or 0) > now then return {'leased', lease} end
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if state == 'due' and queued == '0' and due and tonumber(due) > now then return {'early', due} end

local scopes = {'all', 'api:' .. (api or ''), 'rule:' .. (rule or '')}
local pauses = redis.call('HMGET', KEYS[3], unpack(scopes))
for i = 1, #scopes do
  local pause = pauses[i] and cjson.decode(pauses[i])
  if pause and (pause['until'] == 0 or pause['until'] > now) then
    redis.call('HSET', KEYS[1], 'state', 'due', 'queued', 0)
    local left = pause['until'] == 0 and tonumber(ARGV[6]) or pause['until'] - now
    redis.call('ZADD', KEYS[2], now + math.min(left, tonumber(ARGV[6])), ARGV[1])
    redis.call('SADD', ARGV[5] .. scopes[i], ARGV[1])
    return {'paused', scopes[i]}
  end
end

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
