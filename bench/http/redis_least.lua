-- The least that can be called look-up and rate limit, shown so that nobody has to wonder: no environment, no count, and an
-- answer of three words. One record a key holds its state, its limit and the bucket, which therefore never expires, so that
-- one read and one write are enough. The gateway has hashed the key already: KEYS[1] is key:SHA-256, ARGV[1] the scope required.
local record = redis.call('HMGET', KEYS[1], 'state', 'expires_us', 'scopes', 'consumer', 'interval_us', 'burst', 'arrival_us')
if not record[1] then return {'unknown'} end
if record[1] ~= 'active' then return {'revoked'} end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if record[2] ~= '0' and now >= tonumber(record[2]) then return {'expired'} end
if not string.find(record[3], ARGV[1], 1, true) then return {'insufficient_scope'} end
-- GCRA: ITU-T I.371, annex A.
local interval = tonumber(record[5])
local arrival = math.max(tonumber(record[7]), now) + interval
local room = now + interval * tonumber(record[6]) - arrival
if room < 0 then return {'rate_limited'} end
redis.call('HSET', KEYS[1], 'arrival_us', string.format('%.0f', arrival))
return {'valid', record[4], math.floor(room / interval)}
