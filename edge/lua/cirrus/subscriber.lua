-- The one place of an edge that talks to Redis: it keeps the replica up to date.
--
-- It runs in worker 0. It reads the stream of changes from the last entry that it has handled; each entry
-- names the one before it, so a gap (the stream was trimmed, Redis was emptied, restored or replaced) is
-- seen, and then the whole index is compared. What stands in neither the index nor the tombstones is an
-- orphan: it is served on and reported, because a lost index must never look like "delete all sites".
local acknowledgement = require "cirrus.acknowledgement"
local changes = require "cirrus.changes"
local connection = require "cirrus.connection"
local generation = require "cirrus.generation"
local intake = require "cirrus.intake"
local keyspace = require "cirrus.keyspace"
local platform = require "cirrus.platform"
local reader = require "cirrus.reader"
local replica = require "cirrus.replica"
local settings = require "cirrus.settings"
local store = require "cirrus.store"

local state = ngx.shared.cirrus_state

local _M = {}

local BLOCK_MS = 1000     -- how long one read of the stream waits for news
local ENTRIES = 200       -- entries of the stream in one read
local HEARTBEAT = 2       -- seconds between acknowledgements when nothing changes
local SKEW_EVERY = 30     -- seconds between looks at Redis's clock
local RECOMPARE = 300     -- seconds until it is seen whether more is still refused than can be listed
local MAX_PAUSE = 1       -- seconds between attempts to connect
local LOOK_AGAIN = 0.5    -- seconds between looks at whether a start without Redis must be decided

local connected = false

-- { replica, call (sends a command while a session lasts), … }
local Subscriber = {}
local subscriber_mt = { __index = Subscriber }

-- reached: the last entry that has been read. Where cdn:meta does not know it (somebody else wrote to the stream),
-- it is not read again and again.
function Subscriber:compare(why, reached)
  local meta = reader.meta(self.call)
  if not meta.epoch then
    if not self.empty then
      ngx.log(ngx.WARN, "Redis holds no keyspace; this edge serves on with what it has")
    end
    self.empty = true
    if reached then
      ngx.sleep(BLOCK_MS / 1000) -- there are entries, but nothing says what they belong to
    end
    return
  end
  self.empty, self.behind = nil, nil
  if reached and changes.is_later(reached, meta.last) then
    self.behind, meta.last = meta.last, reached
  end
  ngx.log(ngx.NOTICE, "comparing with the whole index: ", why)
  reader.compare(self.call, self.replica, meta)
  state:set("compared", true)
  self.compared_at = ngx.now()
end

function Subscriber:apply(entries)
  local wanted, withdrawn = {}, {}
  for _, change in ipairs(changes.newest(entries)) do
    if change.op == keyspace.OP_GONE then
      withdrawn[#withdrawn + 1] = change
    else
      wanted[change.kind] = wanted[change.kind] or {}
      table.insert(wanted[change.kind], change)
    end
  end
  for _, kind in ipairs(keyspace.KINDS) do
    -- One that is missing is gone again already: the entry that says so comes later.
    reader.fetch(self.call, self.replica, kind, wanted[kind] or {}, function() end)
  end
  -- Additions before withdrawals: a name that moves to another domain is never without one.
  for _, change in ipairs(withdrawn) do
    self.replica:gone(change.kind, change.key, change.epoch, change.rev)
  end
  local last = changes.fields(entries[#entries])
  self.replica:advance(last.epoch, last.rev, last.id)
end

-- Nothing came: is there nothing, or do we wait at a place that no longer exists?
function Subscriber:check_place(last)
  local meta = reader.meta(self.call)
  if not last then
    self:compare("this edge has nothing yet")
  elseif changes.same_place(meta.last, last) or meta.last == self.behind then
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
  if last and changes.follow(entries, last) then
    self:apply(entries)
  else
    self:compare("entries of the stream are missing after " .. (last or "the beginning"), entries[#entries][1])
  end
end

-- A restart without Redis depends on how long ago this was.
function Subscriber:note_contact()
  if not self.empty and ngx.now() - (self.contact_at or 0) >= HEARTBEAT then
    self.contact_at = ngx.now()
    generation.note_contact()
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

function Subscriber:session()
  local call, pipeline, close = connection.open(settings.get().redis)
  self.call, self.close, connected = call, close, true
  self:look_at_clock()
  if not store.is_loaded() or not state:get("stream") then
    self:compare("this edge has nothing yet")
  elseif store.is_catching_up() or not state:get("compared") then
    self:compare("what was missed or refused before the start is not in the snapshot")
  elseif (state:get("orphans") or 0) > 0 then
    self:compare("are the orphans still orphans?")
  end
  local sent = { at = 0 }
  while not ngx.worker.exiting() do
    state:set("redis_error", "")
    state:set("contact", ngx.now())
    self.pause = nil
    if not self.empty and store.is_catching_up() then
      generation.caught_up() -- what was purged while this edge was away is known now
    end
    local grown = sent.rev ~= state:get("rev") or sent.epoch ~= state:get("epoch")
    if grown or ngx.now() - sent.at >= HEARTBEAT then
      sent = acknowledgement.send(pipeline, sent)
      self:note_contact()
    end
    if ngx.now() - self.clock_at >= SKEW_EVERY then
      self:look_at_clock()
    end
    if intake.refusals_cut() and ngx.now() - (self.compared_at or 0) >= RECOMPARE then
      self:compare("more was refused than can be listed")
    end
    self:read_stream()
  end
end

function Subscriber:run()
  while not ngx.worker.exiting() do
    local done, problem = xpcall(self.session, function(raised)
      return type(raised) == "table" and raised.unreachable or debug.traceback(tostring(raised))
    end, self)
    connected = false
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

local function run(premature)
  if premature then
    return
  end
  local owns, killed = become_owner()
  if not owns then
    return
  end
  local self = setmetatable({ replica = replica.open(settings.get().snapshot) }, subscriber_mt)
  if killed then
    store.publish() -- what was taken in last may be noted as applied, and not known to the other workers
    self.replica:rewrite_snapshot() -- what was taken in last may not have reached the disk
  end
  self:run()
  self.replica:close()
  state:delete("subscriber")
end

-- Redis has not been reached since the start: decide without it. While it answers, however slowly, there is nothing to
-- decide.
local function give_up(premature)
  if premature or not store.is_catching_up() then
    return
  end
  if connected then
    ngx.timer.at(LOOK_AGAIN, give_up)
  else
    generation.give_up()
  end
end

function _M.start()
  assert(ngx.timer.at(0, run))
  if store.is_catching_up() then
    assert(ngx.timer.at(generation.PATIENCE, give_up))
  end
end

return _M
