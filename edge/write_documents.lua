-- Write documents of one kind, atomically: each document, its index entry and its stream entry.
--
-- KEYS  1 cdn:meta   2 cdn:changes   3 cdn:index:{kind}   4 cdn:gone:{kind}   5 cdn:lock:publish
--       6… the documents' keys
-- ARGV  1 kind   2 epoch   3 length of the stream   4 cdn:notify   5 the caller's lock token
--       then for each document: its key inside the kind, its revision, its text ("" withdraws it)
-- Returns nil, with nothing written, where the caller has lost the lock; else for each document its
-- stream id, or "" where a newer revision was there already.
--
-- A revision is compared as (epoch, rev): an older one never replaces a newer one, whoever is late.
if redis.call('GET', KEYS[5]) ~= ARGV[5] then return false end

local FIXED_KEYS, FIXED_ARGUMENTS = 5, 5
local kind, epoch, length, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local meta_epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
local newest = tonumber(redis.call('HGET', KEYS[1], 'rev') or '0')
local last = redis.call('HGET', KEYS[1], 'last') or ''
local ids, wrote = {}, false

for i = 1, #KEYS - FIXED_KEYS do
  local at = FIXED_ARGUMENTS + 3 * (i - 1)
  local key, rev_text, text = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local rev = tonumber(rev_text)
  local known = tonumber(redis.call('ZSCORE', KEYS[3], key) or redis.call('ZSCORE', KEYS[4], key) or '0')
  if epoch < meta_epoch or (epoch == meta_epoch and rev <= known) then
    ids[i] = ''
  else
    local op = 'put'
    if text == '' then
      op = 'gone'
      redis.call('DEL', KEYS[FIXED_KEYS + i])
      redis.call('ZREM', KEYS[3], key)
      redis.call('ZADD', KEYS[4], rev_text, key)
    else
      redis.call('SET', KEYS[FIXED_KEYS + i], text)
      redis.call('ZADD', KEYS[3], rev_text, key)
      redis.call('ZREM', KEYS[4], key)
    end
    last = redis.call('XADD', KEYS[2], 'MAXLEN', '~', length, '*', 'kind', kind, 'key', key,
      'rev', rev_text, 'epoch', ARGV[2], 'op', op, 'prev', last)
    redis.call('PUBLISH', channel, cjson.encode({ kind = kind, key = key, rev = rev, op = op }))
    if rev > newest or epoch > meta_epoch then newest = rev end
    meta_epoch = epoch
    ids[i] = last
    wrote = true
  end
end
if wrote then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'rev', newest, 'last', last)
end
return ids
