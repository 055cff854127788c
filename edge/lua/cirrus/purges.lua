-- What has been purged, in shared memory: a purge is a number (its stamp), not a walk through files.
--
--   purges.put("www.example.com", document, before)   take a purge document (docs/keyspace.md) in place of another
--   purges.summary("www.example.com")                 -->  { rev = 17, all = 17, soft = 0, lengths = { 5 }, … }
--   purges.stamps(summary, site, "/img/a", "x=1")     -->  hard, soft: the largest stamps that match this URL
--
-- The largest hard stamp is part of an object's cache key, so what was fetched before the purge is never found again.
-- cirrus_purges   s:{site}        → the summary, JSON; flags = epoch      here → 1, once somebody has filled it
--                 u:, p:, t:{site} {name} → hard stamp     U:, P:, T:{site} {name} → soft stamp
-- Nothing is ever evicted. What finds no room widens the purge to its whole site: too much rather than too little.
local cjson = require "cjson.safe"
local metrics = require "cirrus.metrics"

local dict = ngx.shared.cirrus_purges
local max = math.max

local _M = {}

local NOTHING = { rev = 0, all = 0, soft = 0, lengths = {}, tags = 0, soft_tags = 0 }
-- Seconds that a record is kept which a document no longer lists. A name that is widened is listed as something else
-- now; a worker that has read the summary before knows nothing of that, and must go on finding the name.
local LINGER = 60

-- letter of the hard stamps of each list; the soft ones have the capital letter
local LISTS = { urls = "u", prefixes = "p", tags = "t" }

local function tag_name(tag)
  return tostring(ngx.crc32_long(tag:lower()))
end

local function name_of(letter, text)
  return letter == "t" and tag_name(text) or text
end

-- key in shared memory → stamp, for everything that a document lists
local function records(site, document)
  local found = {}
  for list, letter in pairs(LISTS) do
    for _, triple in ipairs(document and document[list] or {}) do
      local name = site .. " " .. name_of(letter, triple[1])
      -- Two tags may share a checksum: the newer purge counts for both.
      if triple[2] > 0 then
        local key = letter .. ":" .. name
        found[key] = max(found[key] or 0, triple[2])
      end
      if triple[3] > 0 then
        local key = letter:upper() .. ":" .. name
        found[key] = max(found[key] or 0, triple[3])
      end
    end
  end
  return found
end

local function newest(list, place)
  local stamp = 0
  for _, triple in ipairs(list) do
    stamp = max(stamp, triple[place])
  end
  return stamp
end

local function summarize(document)
  local seen, lengths = {}, {}
  for _, triple in ipairs(document.prefixes) do
    if not seen[#triple[1]] then
      seen[#triple[1]] = true
      lengths[#lengths + 1] = #triple[1]
    end
  end
  table.sort(lengths)
  return {
    rev = document.rev,
    all = document.all[1],
    soft = document.all[2],
    urls = #document.urls > 0,
    lengths = lengths,
    tags = newest(document.tags, 2),
    soft_tags = newest(document.tags, 3),
    has_soft = newest(document.urls, 3) + newest(document.prefixes, 3) > 0,
  }
end

-- The document that purges the whole site under its own revision: for when there is no room for the single records.
function _M.widened(document)
  return {
    schema = document.schema, epoch = document.epoch, rev = document.rev, host = document.host,
    all = { document.rev, 0 }, urls = {}, prefixes = {}, tags = {},
  }
end

local function note(result)
  if ngx.get_phase() ~= "init" then -- what the master counts would be counted by each worker once more
    metrics.count("cirrus_purges_total", result)
  end
end

-- Let records that are in none of the given documents go, soon.
local function let_go(old, new)
  for key in pairs(old) do
    if not new[key] then
      dict:expire(key, LINGER)
    end
  end
end

-- Take a document. true, or nil and why: then there was not even room for its summary.
--
-- What is new comes first and what is old goes last: at no moment is anything found to be purged less than it was.
function _M.put(site, document, before)
  local old, new = records(site, before), records(site, document)
  local done, problem = true, nil
  for key, stamp in pairs(new) do
    done, problem = dict:safe_set(key, stamp)
    if not done then
      break
    end
  end
  if done then
    done, problem = dict:safe_set("s:" .. site, cjson.encode(summarize(document)), 0, document.epoch)
  end
  if done then
    let_go(old, new)
    note("taken")
    return true
  end
  for key in pairs(new) do
    if not old[key] then
      dict:delete(key) -- nobody relies on it yet
    end
  end
  if document.all[1] == document.rev then
    return nil, problem
  end
  ngx.log(ngx.WARN, "no room for the purges of ", site, ": all of it is purged; raise CIRRUS_EDGE_PURGE_MEMORY")
  note("widened")
  return _M.put(site, _M.widened(document), before)
end

-- Forget the purges of a site that is gone; its own name may live on as another site's alias.
function _M.forget(site, before)
  let_go(records(site, before), {})
  dict:expire("s:" .. site, LINGER)
end

-- What a worker must know before it looks up single records.
function _M.summary(site)
  local text = dict:get("s:" .. site)
  return text and cjson.decode(text) or NOTHING
end

-- Is this memory empty because it is new: at a start, or at a reload that gave it another size? True once.
function _M.is_new()
  return (dict:safe_add("here", 1))
end

-- Is a site's document here in just this state?
function _M.has(site, rev, epoch)
  local text, epoch_here = dict:get("s:" .. site)
  return text ~= nil and (epoch_here or 0) == epoch and cjson.decode(text).rev == rev
end

-- The largest hard and soft stamps that match a normalized URL of a site.
function _M.stamps(summary, site, path, query)
  local hard, soft = summary.all, summary.soft
  if summary.rev == 0 then
    return 0, 0
  end
  if summary.urls then
    local name = site .. " " .. path
    hard = max(hard, dict:get("u:" .. name) or 0)
    if query then
      hard = max(hard, dict:get("u:" .. name .. "?" .. query) or 0)
    end
    if summary.has_soft then
      soft = max(soft, dict:get("U:" .. name) or 0, query and dict:get("U:" .. name .. "?" .. query) or 0)
    end
  end
  for _, length in ipairs(summary.lengths) do
    if length > #path then
      break
    end
    local name = site .. " " .. path:sub(1, length)
    hard = max(hard, dict:get("p:" .. name) or 0)
    if summary.has_soft then
      soft = max(soft, dict:get("P:" .. name) or 0)
    end
  end
  return hard, soft
end

-- The largest stamp of some tags, given by their checksums: hard, or soft.
function _M.tag_stamp(site, checksums, soft)
  local letter, stamp = soft and "T:" or "t:", 0
  for checksum in checksums:gmatch("%d+") do
    stamp = max(stamp, dict:get(letter .. site .. " " .. checksum) or 0)
  end
  return stamp
end

-- The checksums of tags, as they are kept: "17,204". names: a list.
function _M.checksums(names)
  local seen, found = {}, {}
  for _, name in ipairs(names) do
    local checksum = tag_name(name)
    if not seen[checksum] then
      seen[checksum] = true
      found[#found + 1] = checksum
    end
  end
  table.sort(found)
  return table.concat(found, ",")
end

return _M
