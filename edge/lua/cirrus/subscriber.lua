-- The one place of an edge that talks to Redis: it keeps the copy in shared memory up to date.
--
-- It runs in worker 0. It reads the stream of changes from the last entry that it has handled; each entry
-- names the one before it, so a gap (the stream was trimmed, Redis was emptied, restored or replaced) is
-- seen, and then the whole index is compared. What stands in neither the index nor the tombstones is an
-- orphan: it is served on and reported, because a lost index must never look like "delete all sites".
local acknowledgement = require "cirrus.acknowledgement"
local connection = require "cirrus.connection"
local intake = require "cirrus.intake"
local journal = require "cirrus.journal"
local keyspace = require "cirrus.keyspace"
local platform = require "cirrus.platform"
local settings = require "cirrus.settings"
local store = require "cirrus.store"

local cjson = require "cjson.safe"

local state = ngx.shared.cirrus_state

local _M = {}

local BLOCK_MS = 1000     -- how long one read of the stream waits for news
local ENTRIES = 200       -- entries of the stream in one read, documents in one fetch
local PAGE = 1000         -- members of the index in one read
local HEARTBEAT = 2       -- seconds between acknowledgements when nothing changes
local SKEW_EVERY = 30     -- seconds between looks at Redis's clock
local MAX_PAUSE = 1       -- seconds between attempts to connect
local MAX_NAMES = 20      -- orphans that are reported by name

-- The subscriber's own: the journal (nil where it could not be opened), which documents are here
-- (kind → key → true) and how many domains those are, which of them are orphans ("kind:key" → true), and the
-- records that are still to be written to the journal.
local Subscriber = {}
local subscriber_mt = { __index = Subscriber }

local function pairs_to_map(list)
  local map = {}
  for i = 1, #list, 2 do
    map[list[i]] = list[i + 1]
  end
  return map
end

local function value(reply)
  return reply ~= ngx.null and reply ~= "" and reply or nil
end

-- -- taking documents -------------------------------------------------------------------------------

function Subscriber:note(result, kind, key, record)
  if result ~= "stored" and result ~= "gone" then
    return
  end
  local here = result == "stored" or nil
  if kind == "domain" and here ~= self.known[kind][key] then
    self.domains = self.domains + (here and 1 or -1)
  end
  self.known[kind][key] = here
  self.orphans[kind .. ":" .. key] = nil
  self.records[#self.records + 1] = record
end

-- Fetch documents and take them in. wanted: a list of { key, epoch, rev } as announced.
function Subscriber:fetch(kind, wanted, missing)
  for start = 1, #wanted, ENTRIES do
    local keys = {}
    for i = start, math.min(start + ENTRIES - 1, #wanted) do
      keys[#keys + 1] = keyspace.document_key(kind, wanted[i].key)
    end
    for i, text in ipairs(self.call("mget", unpack(keys))) do
      local item = wanted[start + i - 1]
      if text == ngx.null then
        missing(item)
      else
        self:note(intake.put(kind, item.key, text, item.epoch, item.rev), kind, item.key,
          { "put", kind, item.key, text })
      end
    end
    self:save()
    ngx.sleep(0.001) -- requests first
  end
end

-- Write what has been taken to the snapshot; a full disk does not stop an edge from serving.
function Subscriber:save()
  if #self.records == 0 then
    return
  end
  local records = self.records
  self.records = {}
  if not self.journal then
    return
  end
  local done, problem = self.journal:append(records)
  self:report_snapshot(problem)
  if done and self.journal:wants_rewrite() then
    self:rewrite_snapshot()
  end
end

function Subscriber:rewrite_snapshot()
  if self.journal then
    local _, problem = self.journal:rewrite(self:everything())
    self:report_snapshot(problem)
  end
end

function Subscriber:report_snapshot(problem)
  state:set("journal_size", self.journal.size)
  if problem then
    ngx.log(ngx.ERR, problem)
  end
  state:set("snapshot_error", problem or "")
end

-- An iterator over the records of all that is here.
function Subscriber:everything()
  return coroutine.wrap(function()
    local count = 0
    for kind, keys in pairs(self.known) do
      for key in pairs(keys) do
        coroutine.yield({ "put", kind, key, store.text(kind, key) })
        count = count + 1
      end
    end
    coroutine.yield({ "mark", state:get("epoch") or 0, state:get("rev") or 0, state:get("stream") or "0-0" })
  end)
end

-- All changes up to here have been handled: let the workers see them, and remember the place.
function Subscriber:advance(epoch, rev, stream)
  local old_epoch = state:get("epoch") or 0
  if epoch > old_epoch then
    state:set("epoch", epoch)
    state:set("rev", rev)
  elseif epoch == old_epoch then
    state:set("rev", math.max(rev, state:get("rev") or 0))
  end
  state:set("older_epoch", epoch < old_epoch)
  state:set("stream", stream)
  state:set("domains", self.domains)
  self:report_orphans()
  self.records[#self.records + 1] = { "mark", state:get("epoch"), state:get("rev"), stream }
  self:save()
  store.publish()
end

-- -- the whole index --------------------------------------------------------------------------------

-- Calls visit(member, score) for a whole sorted set, in pages that changes in between cannot break:
-- scores are revisions, so what changes moves to the end and is seen again.
function Subscriber:each_member(key, visit)
  local from = "-inf"
  repeat
    local page = self.call("zrangebyscore", key, from, "+inf", "WITHSCORES", "LIMIT", 0, PAGE)
    for i = 1, #page, 2 do
      visit(page[i], tonumber(page[i + 1]))
    end
    from = "(" .. tostring(page[#page] or "+inf")
  until #page < 2 * PAGE
end

function Subscriber:compare_kind(kind, epoch)
  local wanted, listed = {}, {}
  local anew = epoch ~= state:get("epoch")
  self:each_member(keyspace.index_key(kind), function(key, rev)
    listed[key] = true
    if anew or store.revision(kind, key) ~= rev then
      wanted[#wanted + 1] = { key = key, epoch = epoch, rev = rev }
    end
  end)
  self:fetch(kind, wanted, function(item)
    intake.refuse(kind, item.key, item.epoch, item.rev, "the index names it, but there is no such document")
  end)
  self:each_member(keyspace.gone_key(kind), function(key, rev)
    if self.known[kind][key] and not listed[key] then
      self:note(intake.gone(kind, key, epoch, rev), kind, key, { "gone", kind, key, epoch, rev })
    end
  end)
  for key in pairs(self.known[kind]) do
    if not listed[key] then
      self.orphans[kind .. ":" .. key] = true
    end
  end
end

function Subscriber:report_orphans()
  local count, names = 0, {}
  for name in pairs(self.orphans) do
    count = count + 1
    if count <= MAX_NAMES then
      names[count] = name
    end
  end
  state:set("orphans", count)
  state:set("orphan_names", count > 0 and cjson.encode(names) or "[]")
end

function Subscriber:meta()
  local reply = self.call("hmget", keyspace.META, "epoch", "rev", "last")
  return { epoch = tonumber(value(reply[1])), rev = tonumber(value(reply[2])) or 0, last = value(reply[3]) or "0-0" }
end

function Subscriber:compare(why)
  local meta = self:meta() -- read before the index: what changes from here on is in the stream behind `last`
  if not meta.epoch then
    if not self.empty then
      ngx.log(ngx.WARN, "Redis holds no keyspace; this edge serves on with what it has")
    end
    self.empty = true
    return
  end
  self.empty = nil
  ngx.log(ngx.NOTICE, "comparing with the whole index: ", why)
  self.orphans = {}
  for _, kind in ipairs(keyspace.KINDS) do
    self:compare_kind(kind, meta.epoch)
  end
  self:advance(meta.epoch, meta.rev, meta.last)
end

-- -- the stream -------------------------------------------------------------------------------------

local function same_place(id, other)
  return id == other or ((id == "0-0" or id == "") and (other == "0-0" or other == ""))
end

-- The newest entry of each document in a batch, oldest first.
local function newest_of(entries)
  local at, list = {}, {}
  for _, entry in ipairs(entries) do
    local change = pairs_to_map(entry[2])
    if keyspace.DOCUMENTS[change.kind] then -- a newer control plane may know more kinds
      local name = change.kind .. ":" .. change.key
      if at[name] then
        list[at[name]] = false
      end
      list[#list + 1] = change
      at[name] = #list
    end
  end
  return list
end

function Subscriber:apply(entries)
  local wanted = { domain = {}, node = {} }
  local withdrawn = {}
  for _, change in ipairs(newest_of(entries)) do
    if change then
      change.epoch, change.rev = tonumber(change.epoch), tonumber(change.rev)
      if change.op == keyspace.OP_GONE then
        withdrawn[#withdrawn + 1] = change
      else
        wanted[change.kind][#wanted[change.kind] + 1] = change
      end
    end
  end
  for kind, list in pairs(wanted) do
    self:fetch(kind, list, function() end) -- gone again already: the entry that says so comes later
  end
  -- Additions before withdrawals: a name that moves to another domain is never without one.
  for _, change in ipairs(withdrawn) do
    self:note(intake.gone(change.kind, change.key, change.epoch, change.rev), change.kind, change.key,
      { "gone", change.kind, change.key, change.epoch, change.rev })
  end
  local last = entries[#entries]
  local change = pairs_to_map(last[2])
  self:advance(tonumber(change.epoch), tonumber(change.rev), last[1])
end

-- Nothing came: is there nothing, or do we wait at a place that no longer exists?
function Subscriber:check_place(last)
  local meta = self:meta()
  if not last then
    self:compare("this edge has nothing yet")
  elseif same_place(meta.last, last) then
    self.elsewhere = nil
  elseif self.elsewhere == meta.last then
    self.elsewhere = nil
    self:compare("the stream continues elsewhere")
  else
    self.elsewhere = meta.last -- perhaps an entry came just now: the next read tells
  end
end

function Subscriber:read_stream()
  local last = state:get("stream")
  local reply = self.call("xread", "COUNT", ENTRIES, "BLOCK", BLOCK_MS,
    "STREAMS", keyspace.CHANGES, last or "0-0")
  if reply == ngx.null then
    return self:check_place(last)
  end
  local entries = reply[1][2]
  if last and same_place(pairs_to_map(entries[1][2]).prev, last) then
    self:apply(entries)
  else
    self:compare("entries of the stream are missing after " .. (last or "the beginning"))
  end
end

function Subscriber:look_at_clock()
  ngx.update_time()
  local before = ngx.now()
  local time = self.call("time")
  ngx.update_time()
  state:set("skew", (before + ngx.now()) / 2 - (tonumber(time[1]) + tonumber(time[2]) / 1e6))
  self.clock_at = ngx.now()
end

-- -- the loop ---------------------------------------------------------------------------------------

function Subscriber:session()
  local call, pipeline, close = connection.open(settings.get().redis)
  self.call, self.close = call, close
  self:look_at_clock()
  if not store.version() or not state:get("stream") then
    self:compare("this edge has nothing yet")
  elseif (state:get("orphans") or 0) > 0 then
    self:compare("are the orphans still orphans?")
  end
  local sent = { at = 0 }
  while not ngx.worker.exiting() do
    state:set("redis_error", "")
    state:set("contact", ngx.now())
    self.pause = nil
    local grown = sent.rev ~= state:get("rev") or sent.epoch ~= state:get("epoch")
    if grown or ngx.now() - sent.at >= HEARTBEAT then
      sent = acknowledgement.send(pipeline, sent)
    end
    if ngx.now() - self.clock_at >= SKEW_EVERY then
      self:look_at_clock()
    end
    self:read_stream()
  end
end

function Subscriber:run()
  while not ngx.worker.exiting() do
    local done, problem = xpcall(self.session, function(raised)
      return type(raised) == "table" and raised.unreachable or debug.traceback(tostring(raised))
    end, self)
    if self.close then
      self.close()
      self.close = nil
    end
    if not done then
      if state:get("redis_error") == "" or not self.pause then
        ngx.log(ngx.ERR, problem)
      end
      state:set("redis_error", problem:match("^[^\n]*"))
      self.pause = math.min((self.pause or 0.025) * 2, MAX_PAUSE)
      ngx.sleep(self.pause * (0.5 + math.random() / 2))
    end
  end
end

-- Be the only subscriber: after a reload the one of the old workers finishes what it is doing first.
-- Returns true, and whether the one before was killed; nil where this worker has to go too.
local function become_owner()
  local own = ngx.worker.pid()
  while not ngx.worker.exiting() do
    local owner = state:get("subscriber")
    local killed = owner ~= nil and not platform.is_alive(owner)
    if not owner or owner == own or killed then
      state:set("subscriber", own)
      return true, killed
    end
    ngx.sleep(0.05)
  end
end

local function count(keys)
  local total = 0
  for _ in pairs(keys or {}) do
    total = total + 1
  end
  return total
end

local function known_documents()
  local known = store.keys()
  for _, kind in ipairs(keyspace.KINDS) do
    known[kind] = known[kind] or {}
  end
  return known
end

local function run(premature)
  if premature then
    return
  end
  local owns, killed = become_owner()
  if not owns then
    return
  end
  local file, problem = journal.open(settings.get().snapshot, state:get("journal_size") or 0)
  if not file then
    ngx.log(ngx.EMERG, problem)
    state:set("snapshot_error", problem)
  end
  local known = known_documents()
  local self = { journal = file, known = known, domains = count(known.domain), orphans = {}, records = {} }
  setmetatable(self, subscriber_mt)
  if killed then
    self:rewrite_snapshot() -- what was taken in last may not have reached the disk
  end
  self:run()
  if file then
    file:close()
  end
  state:delete("subscriber")
end

function _M.start()
  assert(ngx.timer.at(0, run))
end

-- Load the snapshot, before the first request is accepted (in the master process).
function _M.load_snapshot(path)
  local complete = false
  local size = journal.read(path, function(record)
    local op = record[1]
    if op == "put" then
      intake.put(record[2], record[3], record[4], 0, 0)
    elseif op == "gone" then
      intake.gone(record[2], record[3], record[4], record[5])
    else
      complete = true
      state:set("epoch", record[2])
      state:set("rev", record[3])
      state:set("stream", record[4])
    end
  end)
  state:set("journal_size", size)
  if complete then
    state:set("domains", count(store.keys().domain))
    store.publish()
  end
  return complete
end

return _M
