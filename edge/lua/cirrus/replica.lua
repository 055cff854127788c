-- This edge's replica of the keyspace: what has been taken into shared memory, and its copy on disk.
--
--   local replica = require("cirrus.replica").open(settings.get().snapshot)
--   replica:put("domain", "www.example.com", text, epoch, rev); replica:gone("domain", "old.example", epoch, rev)
--   replica:advance(epoch, rev, "1795508917661-0")   all changes up to here have been handled
--
-- Held by the subscriber alone. `known` and `withdrawn` are kind → key → true; `orphans` is "kind:key" → true for
-- what is served although Redis lists it neither as present nor as withdrawn; `records` wait to be written to the
-- journal.
local intake = require "cirrus.intake"
local journal = require "cirrus.journal"
local keyspace = require "cirrus.keyspace"
local store = require "cirrus.store"

local cjson = require "cjson.safe"

local state = ngx.shared.cirrus_state

local _M = {}
local mt = { __index = _M }

local MAX_NAMES = 20 -- orphans that are reported by name

local function count(keys)
  local total = 0
  for _ in pairs(keys or {}) do
    total = total + 1
  end
  return total
end

-- Load the snapshot, before the first request is accepted (in the master process).
function _M.load(path)
  local complete = false
  local size = journal.read(path, function(record)
    local op = record[1]
    if op == "put" then
      intake.put(record[2], record[3], record[4], 0, 0, true)
    elseif op == "gone" then
      intake.gone(record[2], record[3], record[4], record[5])
    else
      complete = true
      state:set("epoch", record[2])
      state:set("rev", record[3])
      state:set("stream", record[4])
    end
  end)
  state:add("journal_size", size) -- after a reload the subscriber of before knows better
  if complete then
    state:set("domains", count(store.keys().domain))
    store.publish()
  end
end

-- The replica as it is in shared memory, with its journal open for writing. Without one (the disk is full, or not
-- ours to write) an edge works all the same and says so.
function _M.open(path)
  local file, problem = journal.open(path, state:get("journal_size") or 0)
  if not file then
    ngx.log(ngx.EMERG, problem)
    state:set("snapshot_error", problem)
  end
  local known, withdrawn = store.keys()
  for _, kind in ipairs(keyspace.KINDS) do
    known[kind], withdrawn[kind] = known[kind] or {}, withdrawn[kind] or {}
  end
  return setmetatable({
    journal = file, known = known, withdrawn = withdrawn, domains = count(known.domain), orphans = {}, records = {},
  }, mt)
end

function _M:close()
  if self.journal then
    self.journal:close()
  end
end

-- -- taking in --------------------------------------------------------------------------------------

function _M:note(result, kind, key, record)
  if result ~= "stored" and result ~= "gone" then
    return
  end
  local here = result == "stored" or nil
  if kind == "domain" and here ~= self.known[kind][key] then
    self.domains = self.domains + (here and 1 or -1)
  end
  self.known[kind][key] = here
  self.withdrawn[kind][key] = not here or nil
  self.orphans[kind .. ":" .. key] = nil
  self.records[#self.records + 1] = record
end

-- Take a document in, or refuse it (see cirrus.intake).
function _M:put(kind, key, text, epoch, rev)
  self:note(intake.put(kind, key, text, epoch, rev), kind, key, { "put", kind, key, text })
end

-- Take a withdrawal in.
function _M:gone(kind, key, epoch, rev)
  self:note(intake.gone(kind, key, epoch, rev), kind, key, { "gone", kind, key, epoch, rev })
end

-- All changes up to here have been handled: let the workers see them, and remember the place.
function _M:advance(epoch, rev, stream)
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
  store.publish()
  self:save()
end

function _M:report_orphans()
  local total, names = 0, {}
  for name in pairs(self.orphans) do
    total = total + 1
    if total <= MAX_NAMES then
      names[total] = name
    end
  end
  state:set("orphans", total)
  state:set("orphan_names", total > 0 and cjson.encode(names) or "[]")
end

-- -- the copy on disk -------------------------------------------------------------------------------

-- Write what has been taken in to the snapshot; a full disk does not stop an edge from serving.
function _M:save()
  local records = self.records
  self.records = {}
  if #records == 0 or not self.journal then
    return
  end
  if self.incomplete then
    return self:rewrite_snapshot()
  end
  local done, problem = self.journal:append(records)
  self.incomplete = not done -- a later mark must not say that these records are there
  self:report_snapshot(problem)
  if done and self.journal:wants_rewrite() then
    self:rewrite_snapshot()
  end
end

-- Write the whole snapshot anew from shared memory.
function _M:rewrite_snapshot()
  if self.journal then
    local done, problem = self.journal:rewrite(self:everything())
    self.incomplete = self.incomplete and not done
    self:report_snapshot(problem)
  end
end

function _M:report_snapshot(problem)
  state:set("journal_size", self.journal.size)
  if problem then
    ngx.log(ngx.ERR, problem)
  end
  state:set("snapshot_error", problem or "")
end

-- An iterator over the records of all that is here; the mark only where all is here that there is.
function _M:everything()
  return coroutine.wrap(function()
    for kind, keys in pairs(self.known) do
      for key in pairs(keys) do
        coroutine.yield({ "put", kind, key, store.text(kind, key) })
      end
    end
    -- Tombstones too: else a Redis that is restored from an old copy would bring back what has been withdrawn.
    for kind, keys in pairs(self.withdrawn) do
      for key in pairs(keys) do
        local rev, epoch = store.known(kind, key)
        coroutine.yield({ "gone", kind, key, epoch, rev })
      end
    end
    if store.is_loaded() then
      coroutine.yield({ "mark", state:get("epoch"), state:get("rev"), state:get("stream") })
    end
  end)
end

return _M
