-- Write one version of a zone, atomically: names, SOA, serial, the journal, the index and the stream.
--
-- KEYS  1 cdn:zone:{apex}   2 cdn:zone:{apex}:names   3 cdn:zone:{apex}:versions   4 cdn:zones
--       5 cdn:zones:changes   6 cdn:zone:{apex}:draft: changes that were sent before this command
-- ARGV  1 apex   2 the serial that must be stored now ("": no zone)   3 the new serial   4 SOA
--       5 "1": these are all names of the zone   6 the changes, packed for the journal
--       7 most entries of the journal   8 most bytes of it   9 length of the stream
--       10 how many changes the draft has
--       then for each name that differs: the name and its text ("" removes it)
-- Returns 1, or 0 with nothing written where another serial is stored, or the draft is not whole.
--
-- A version that does not follow from the one before (all names at once) begins a new journal.
local zone, names, versions = KEYS[1], KEYS[2], KEYS[3]
local apex, expected, serial, soa = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local full, packed = ARGV[5] == '1', ARGV[6]
local most_entries, most_bytes = tonumber(ARGV[7]), tonumber(ARGV[8])
local FIXED = 10

local stored = redis.call('HMGET', zone, 'serial', 'soa', 'journal')
if (stored[1] or '') ~= expected then return 0 end
if redis.call('HLEN', KEYS[6]) ~= tonumber(ARGV[10]) then return 0 end

if full then
  redis.call('DEL', names, versions)
end
local put, removed = {}, {}
local function store()
  if #put > 0 then redis.call('HSET', names, unpack(put)) end
  if #removed > 0 then redis.call('HDEL', names, unpack(removed)) end
  put, removed = {}, {}
end
local function apply(list, first)
  for i = first, #list, 2 do
    if list[i + 1] == '' then
      removed[#removed + 1] = list[i]
    else
      put[#put + 1] = list[i]
      put[#put + 1] = list[i + 1]
    end
    if #put >= 2000 or #removed >= 1000 then store() end
  end
  store()
end
apply(ARGV, FIXED + 1)
apply(redis.call('HGETALL', KEYS[6]), 1)
redis.call('DEL', KEYS[6])

local now = redis.call('TIME')
local journal = 0
if not full and stored[1] then
  -- `sum` counts the bytes of all entries so far, so that the size of what is kept is one subtraction.
  journal = tonumber(stored[3] or '0') + #packed
  redis.call('XADD', versions, 'MAXLEN', most_entries, '*', 'from', stored[1], 'to', serial,
    'soa_from', stored[2], 'soa_to', soa, 'sum', journal, 'changes', packed)
  while true do
    local oldest = redis.call('XRANGE', versions, '-', '+', 'COUNT', 1)[1]
    if not oldest then break end
    local sum = tonumber(oldest[2][10])
    if journal - sum + #oldest[2][12] <= most_bytes then break end
    redis.call('XDEL', versions, oldest[1])
  end
end
redis.call('HSET', zone, 'serial', serial, 'soa', soa, 'names', redis.call('HLEN', names),
  'at', now[1] .. '.' .. string.format('%06d', now[2]), 'journal', journal)
redis.call('HSET', KEYS[4], apex, serial)
redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[9], '*', 'zone', apex, 'serial', serial, 'op', 'put')
return 1
