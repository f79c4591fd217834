-- The same job as /v1/verify: look the key up, check state, environment, validity and scope, charge its token bucket, count
-- its use, and answer with what the verification answers. As a careful user would write it: the record and the bucket are
-- keys of their own, because a bucket expires when it is full again and a record does not (redis_rate, redis-gcra and
-- rate-limiter libraries do the same). The gateway has hashed the key already: KEYS are key:SHA-256 and
-- bucket:SHA-256, ARGV the environment and the scope required.
local record = redis.call('HMGET', KEYS[1], 'state', 'environment', 'not_before_us', 'expires_us', 'scopes', 'consumer', 'id',
                          'limit_name', 'limit', 'interval_us', 'burst')
if not record[1] then return {'unknown'} end
if record[1] ~= 'active' then return {'revoked'} end
if record[2] ~= ARGV[1] then return {'wrong_environment'} end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now < tonumber(record[3]) then return {'not_yet_valid'} end
if record[4] ~= '0' and now >= tonumber(record[4]) then return {'expired'} end
if not string.find(record[5], ARGV[2], 1, true) then return {'insufficient_scope'} end
-- GCRA: ITU-T I.371, annex A.
local interval, burst = tonumber(record[10]), tonumber(record[11])
local arrival = math.max(tonumber(redis.call('GET', KEYS[2]) or 0), now) + interval
local room = now + interval * burst - arrival
if room < 0 then
        redis.call('HINCRBY', KEYS[1], 'refused', 1)
        return {'rate_limited', record[7], math.ceil(-room / 1000000)}
end
redis.call('SET', KEYS[2], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000))
redis.call('HINCRBY', KEYS[1], 'admitted', 1)
return {'valid', record[7], record[6], record[2], record[5], record[4], record[8], record[9], math.floor(room / interval),
        math.ceil((arrival - now) / 1000000)}
