-- What the subscriber reads from Redis, in portions that leave the worker time for requests.
--
--   reader.meta(call)  -->  { epoch = 1790000000, rev = 17, last = "1795508917661-0" }; no epoch: Redis is empty
--   reader.fetch(call, replica, "domain", { { key = "www.example.com", epoch = …, rev = … } }, missing)
--   reader.compare(call, replica, meta)   bring the replica to what the whole index says
--
-- `call` is the function that connection.open returns.
local intake = require "cirrus.intake"
local keyspace = require "cirrus.keyspace"
local store = require "cirrus.store"

local state = ngx.shared.cirrus_state

local _M = {}

local DOCUMENTS = 200 -- in one fetch
local FEW = { certificate = 20 } -- of those whose check takes long: requests have their turn in between
local PAGE = 1000     -- members of the index in one read

local function value(reply)
  return reply ~= ngx.null and reply ~= "" and reply or nil
end

-- Where the keyspace stands.
function _M.meta(call)
  local reply = call("hmget", keyspace.META, "epoch", "rev", "last")
  return { epoch = tonumber(value(reply[1])), rev = tonumber(value(reply[2])) or 0, last = value(reply[3]) or "0-0" }
end

-- Fetch documents into the replica. wanted: a list of { key, epoch, rev } as announced; missing(item) is called for
-- each that is not there.
function _M.fetch(call, replica, kind, wanted, missing)
  local portion = FEW[kind] or DOCUMENTS
  for start = 1, #wanted, portion do
    local keys = {}
    for i = start, math.min(start + portion - 1, #wanted) do
      keys[#keys + 1] = keyspace.document_key(kind, wanted[i].key)
    end
    for i, text in ipairs(call("mget", unpack(keys))) do
      local item = wanted[start + i - 1]
      if text == ngx.null then
        missing(item)
      else
        replica:put(kind, item.key, text, item.epoch, item.rev)
      end
    end
    replica:save()
    ngx.sleep(0.001) -- requests first
  end
end

-- Calls visit(member, score) for a whole sorted set, in pages that changes in between cannot break:
-- scores are revisions, so what changes moves to the end and is seen again.
local function each_member(call, key, visit)
  local from = "-inf"
  repeat
    local page = call("zrangebyscore", key, from, "+inf", "WITHSCORES", "LIMIT", 0, PAGE)
    for i = 1, #page, 2 do
      visit(page[i], tonumber(page[i + 1]))
    end
    from = "(" .. tostring(page[#page] or "+inf")
  until #page < 2 * PAGE
end

local function compare_kind(call, replica, kind, epoch)
  local wanted, listed = {}, {}
  local anew = epoch ~= state:get("epoch")
  each_member(call, keyspace.index_key(kind), function(key, rev)
    listed[key] = true
    if anew or store.revision(kind, key) ~= rev then
      wanted[#wanted + 1] = { key = key, epoch = epoch, rev = rev }
    end
  end)
  _M.fetch(call, replica, kind, wanted, function(item)
    intake.refuse(kind, item.key, item.epoch, item.rev, "the index names it, but there is no such document")
  end)
  each_member(call, keyspace.gone_key(kind), function(key, rev)
    if replica.known[kind][key] and not listed[key] then
      replica:gone(kind, key, epoch, rev)
    end
  end)
  for key in pairs(replica.known[kind]) do
    if not listed[key] then
      replica.orphans[kind .. ":" .. key] = true
    end
  end
end

-- Bring the replica to what the whole index says. `meta` was read before: what changes from then on is in the stream
-- behind its `last`.
function _M.compare(call, replica, meta)
  replica.orphans = {}
  intake.begin_comparison()
  for _, kind in ipairs(keyspace.KINDS) do
    compare_kind(call, replica, kind, meta.epoch)
  end
  replica:advance(meta.epoch, meta.rev, meta.last)
end

return _M
