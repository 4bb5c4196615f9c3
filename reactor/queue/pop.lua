#!lua flags=allow-oom
-- Guarantees: a job leaves the queue and enters RQ's running registry in one step. Its score is +inf, so that no reader of
-- RQ's registries takes it for abandoned and queues it again: the ledger alone decides that.
-- KEYS RQ queue, running registry   ARGV job key prefix, execution, worker, now (ISO), how many
-- Returns job id, data, job id, data, ...; an id without a job, or that RQ would not give one, is dropped.
local out = {}
for _, id in ipairs(redis.call('LPOP', KEYS[1], ARGV[5]) or {}) do
  local key = ARGV[1] .. id
  if not string.find(id, '[^%w_-]') and redis.call('TYPE', key).ok == 'hash' then
    redis.call('HSET', key, 'status', 'started', 'started_at', ARGV[4], 'last_heartbeat', ARGV[4], 'worker_name', ARGV[3])
    redis.call('ZADD', KEYS[2], '+inf', id .. ':' .. ARGV[2])
    out[#out + 1] = id
    out[#out + 1] = redis.call('HGET', key, 'data') or ''
  end
end
return out
