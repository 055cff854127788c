-- Write documents of one kind, atomically: each document, its index entry and its stream entry.
--
-- KEYS  1 cdn:meta   2 cdn:changes   3 cdn:index:{kind}   4 cdn:gone:{kind}   5… the documents' keys
-- ARGV  1 kind   2 epoch   3 length of the stream   4 cdn:notify
--       then for each document: its key inside the kind, its revision, its text ("" withdraws it)
-- Returns for each document its stream id, or "" where a newer revision was there already.
--
-- A revision is compared as (epoch, rev): an older one never replaces a newer one, whoever is late.
local kind, epoch, length, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local meta_epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
local last = redis.call('HGET', KEYS[1], 'last') or ''
local newest = tonumber(redis.call('HGET', KEYS[1], 'rev') or '0')
local ids = {}
local count = #KEYS - 4

for i = 1, count do
  local key, rev, text = ARGV[3 * i + 2], tonumber(ARGV[3 * i + 3]), ARGV[3 * i + 4]
  local known = tonumber(redis.call('ZSCORE', KEYS[3], key) or redis.call('ZSCORE', KEYS[4], key) or '0')
  if epoch < meta_epoch or (epoch == meta_epoch and rev <= known) then
    ids[i] = ''
  else
    local op = 'put'
    if text == '' then
      op = 'gone'
      redis.call('DEL', KEYS[4 + i])
      redis.call('ZREM', KEYS[3], key)
      redis.call('ZADD', KEYS[4], rev, key)
    else
      redis.call('SET', KEYS[4 + i], text)
      redis.call('ZADD', KEYS[3], rev, key)
      redis.call('ZREM', KEYS[4], key)
    end
    last = redis.call('XADD', KEYS[2], 'MAXLEN', '~', length, '*', 'kind', kind, 'key', key,
      'rev', ARGV[3 * i + 3], 'epoch', ARGV[2], 'op', op, 'prev', last)
    redis.call('PUBLISH', channel, cjson.encode({ kind = kind, key = key, rev = rev, op = op }))
    if rev > newest or epoch > meta_epoch then newest = rev end
    meta_epoch = epoch
    ids[i] = last
  end
end
if last ~= '' then
  redis.call('HSET', KEYS[1], 'epoch', meta_epoch, 'rev', newest, 'last', last)
end
return ids
