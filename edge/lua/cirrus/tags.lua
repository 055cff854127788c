-- Objects with surrogate tags: which of them a purge by tag has taken.
--
-- The cache key is made before an object's tags are known, so tags cannot be part of it. Instead a tagged answer is
-- stored as a variant (`Vary: Cirrus-Stamp`), and each URL with tags has a record: the stamp under which its variants
-- are stored, the tags that any of them has, and what had been purged when the oldest of them was asked for. A request
-- finds the stamp in the record and sends it along; where a tag has been purged since, it gets a new stamp, under which
-- nothing is stored.
--
--   tags.standing("www.example.com")  -->  nil: it has no tags; tags.NOW; tags.BEFORE: it had some in a former run
--   tags.stamp(summary, "www.example.com", key, standing)   -->  "m3k1x8.1": for the header of the request
--   tags.store("www.example.com", key, stamp, fill, "17,204")  -->  may the answer be stored?
--
-- After a restart there are no records. Then, of a site that had tags before, an object's own file in the cache tells,
-- where it has no other variants than that by stamp.
--
-- cirrus_tags   {digest of the key} → "stamp fill checksums"; the least recently used go first when it is full. A
-- lost record is a new stamp, and so a miss: nothing here can make an edge serve what was purged.
local beacon = require "cirrus.beacon"
local cache_file = require "cirrus.cache_file"
local memo = require "cirrus.memo"
local purges = require "cirrus.purges"
local settings = require "cirrus.settings"
local times = require "cirrus.times"

local find, sub = string.find, string.sub
local dict = ngx.shared.cirrus_tags
local state = ngx.shared.cirrus_state

local _M = {}

_M.HEADER = "Cirrus-Stamp"
_M.NOW, _M.BEFORE = 1, 2
-- More tags than these on one object (or a longer field) count as "every tag": any purge by tag takes it.
local MAX_TAGS, MAX_FIELD = 256, 16384
local EVERY = "every"
-- Many objects have the same tags. Longer fields are not remembered.
local REMEMBERED = 240
local known_fields = memo.new(512)
-- Nobody holds a record's lock for longer, unless he was killed.
local LOCK_SECONDS = 1

-- The names in a field: Cache-Tag separates them by commas, Surrogate-Key by spaces. nil: too many to tell.
local function names_in(field)
  if #field > MAX_FIELD then
    return nil
  end
  local names = {}
  for name in field:gmatch("[^%s,]+") do
    names[#names + 1] = name
    if #names > MAX_TAGS then
      return nil
    end
  end
  return names
end

-- What is kept of an answer's tags: "" without any, "17,204", or "every".
function _M.checksums(cache_tag, surrogate_key)
  if not cache_tag and not surrogate_key then
    return ""
  end
  local field = (cache_tag or "") .. " " .. (surrogate_key or "")
  local found = known_fields:get(field)
  if not found then
    local names = names_in(field)
    found = names and purges.checksums(names) or EVERY
    if #field <= REMEMBERED then
      known_fields:set(field, found)
    end
  end
  return found
end

-- Has a tag been purged since `fill`, the revision of the purge document when the object was asked for?
function _M.purged(summary, site, checksums, fill, soft)
  local newest = soft and summary.soft_tags or summary.tags
  if newest <= fill then
    return false
  end
  return checksums == EVERY or purges.tag_stamp(site, checksums, soft) > fill
end

local function parse(record)
  local first = find(record, " ", 1, true)
  local second = first and find(record, " ", first + 1, true)
  if second then
    return sub(record, 1, first - 1), tonumber(sub(record, first + 1, second - 1)), sub(record, second + 1)
  end
end

local function new_stamp()
  return string.format("%s.%d", state:get("boot"), state:incr("stamps", 1, 0))
end

local function union(a, b)
  if a == EVERY or b == EVERY then
    return EVERY
  elseif a == "" or a == b then
    return b
  end
  local seen, list = {}, {}
  for checksum in (a .. "," .. b):gmatch("%d+") do
    if not seen[checksum] then
      seen[checksum] = true
      list[#list + 1] = checksum
    end
  end
  return #list > MAX_TAGS and EVERY or table.concat(list, ",")
end

-- -- who has tags at all -----------------------------------------------------------------------------------

function _M.standing(site)
  return state:get("tagged:" .. site)
end

local function note_tagged(site)
  if state:safe_add("tagged:" .. site, _M.NOW) then
    beacon.bump(beacon.slot(site))
    local file = io.open(settings.get().tagged, "a")
    if file then
      file:write(site, "\n")
      file:close()
    end
  end
end

-- Which sites have tags, from the last run: before the first request.
function _M.load()
  local file = io.open(settings.get().tagged, "r")
  for site in file and file:lines() or function() end do
    state:safe_add("tagged:" .. site, _M.BEFORE)
  end
  if file then
    file:close()
  end
end

-- -- the records: by a digest, since URLs are chosen by strangers -------------------------------------------

local name_of = ngx.md5_bin

-- The record of the object that the cache on disk has for a request, or nil.
local function recovered(key)
  local headers = cache_file.headers(key)
  local stamp, checksums = headers["x-cirrus-stamp"], headers["x-cirrus-tags"]
  if stamp and checksums and not headers["x-cirrus-vary"] then
    local _, _, _, fill = times.read(headers[times.HEADER:lower()])
    return string.format("%s %d %s", stamp, fill, checksums)
  end
end

-- The stamp for the request that is being served.
function _M.stamp(summary, site, cache_key, standing)
  local key = name_of(cache_key)
  local record = dict:get(key)
  if not record and standing == _M.BEFORE then
    record = recovered(cache_key)
    if record and not dict:add(key, record) then
      record = dict:get(key)
    end
  end
  if record then
    local stamp, fill, checksums = parse(record)
    if stamp and not _M.purged(summary, site, checksums, fill) then
      return stamp
    end
  end
  local fresh = new_stamp()
  local pending = string.format("%s %d ", fresh, summary.rev)
  if record then
    dict:set(key, pending)
    return fresh
  end
  if not dict:add(key, pending) then -- another worker was faster: one stamp for all who wait for the first answer
    local other = dict:get(key)
    return other and parse(other) or fresh
  end
  return fresh
end

-- Add an answer's tags to the record of its URL. False where another worker is writing the same record just now: each
-- would write back what it has read, and the tags of one of them would be lost.
local function add_to_record(cache_key, stamp, fill, checksums)
  local key = name_of(cache_key)
  local lock = "lock " .. key
  if not dict:add(lock, 1, LOCK_SECONDS) then
    return false
  end
  local done = false -- where the record is another one by now, or lost, a later purge would not know of this answer
  local current, oldest, known = parse(dict:get(key) or "")
  if current == stamp then
    done = dict:set(key, string.format("%s %d %s", stamp, math.min(oldest, fill), union(known, checksums)))
  end
  dict:delete(lock)
  return done
end

-- An answer with tags has come: note them, before it is stored. Returns whether it may be stored.
--
-- In this order: the record is written first, then the purges are looked at. A purge that comes in between is seen by
-- one of both: here, or by the worker that reads the record.
function _M.store(site, key, stamp, fill, checksums)
  note_tagged(site)
  if not stamp or stamp == "" then
    return false -- the request was made before this site was known to have tags; the next one has a stamp
  end
  return add_to_record(key, stamp, fill, checksums) and not _M.purged(purges.summary(site), site, checksums, fill)
end

return _M
