-- Paths of which unsafe requests (POST, PUT, DELETE …) have changed the content: what is cached of them is not used
-- again (RFC 9111 section 4.4). It concerns this edge alone; for all edges there is the purge.
--
--   invalidations.note(site, "/cart")        /cart has changed
--   invalidations.stamp(site, "/cart")  -->  1795508917661004: part of its cache key; 0: it never has
--   invalidations.load()                     at the start, before the first request
--
-- Strangers choose these paths, so a site has a fixed number of places that its paths share by their checksum: a change
-- of one takes those that share its place along. The places lie in a memory of their own, 128 bytes each: its 64 MB
-- have room for every place of 380 sites, and besides for 130,000 sites as a whole. Where there is no room for another
-- place, all of its site is taken, and other sites are left alone.
--
-- cirrus_invalidations   {site's id}          → stamp of the whole site; 0: only places have changed
--                        {site's id} {place}  → stamp of the place          stamp → the last one that was given
--
-- The first change of a place is also noted in a file, "{Unix time} {site's id} {place, or * for the whole site}": at
-- most 1,025 lines for a site and month. After a start all that it names is invalid once more: too much rather than
-- too little.
local beacon = require "cirrus.beacon"
local files = require "cirrus.files"
local generation = require "cirrus.generation"
local settings = require "cirrus.settings"

local crc32 = ngx.crc32_long
local dict = ngx.shared.cirrus_invalidations

local _M = {}

local PLACES = 1024
local WHOLE = "*"
-- Seconds that a change is remembered: longer than anything stays in a cache (docs/edge.md).
local SECONDS = 31 * 86400
-- The part of the memory that places leave to whole sites.
local RESERVE = 1 / 4

-- Larger than all before, also than those of the last run: microseconds at the start, and one more each time.
local function next_stamp()
  return dict:incr("stamp", 1, math.floor(ngx.now() * 1e6))
end

-- Give a place a new stamp. Returns whether it had none before; nil where there is no room for it.
--
-- Two workers may store their stamps in the wrong order. Either is new, and what is fetched under it was asked for
-- after both changes.
local function mark_place(id, place)
  local key = id .. " " .. place
  local known = dict:get(key) ~= nil
  if not known and dict:free_space() < RESERVE * dict:capacity() then
    return nil
  end
  if dict:safe_set(key, next_stamp(), SECONDS) then
    return not known
  end
end

-- Give a whole site a new stamp. Returns whether it had none before.
local function mark_whole(id)
  local known = dict:get(id) or 0
  if not dict:safe_set(id, next_stamp(), SECONDS) then
    generation.renew("there was no room to note that a site has changed")
    dict:flush_all() -- it was all about the generation before
    return false
  end
  if known == 0 then
    ngx.log(ngx.WARN, "no room for what has changed of the site ", id, ": all of it is fetched anew")
  end
  return known == 0
end

-- Returns what must be noted in the file: a place, WHOLE, or false.
local function mark(id, place)
  if not dict:expire(id, SECONDS) then
    dict:safe_add(id, 0, SECONDS) -- says that there is something to look for
  end
  local is_first
  if place ~= WHOLE then
    is_first = mark_place(id, place)
  end
  if is_first == nil then
    return mark_whole(id) and WHOLE
  end
  return is_first and place
end

-- Note that a normalized path has changed, with all its variants.
function _M.note(site, path)
  local news = mark(site.id, crc32(path) % PLACES)
  if news then
    files.append(settings.get().invalidations, string.format("%d %d %s\n", ngx.time(), site.id, news))
  end
  beacon.bump(site.slot)
end

-- The stamp of the last change that concerns a path, or 0.
function _M.stamp(site, path)
  local id = site.id
  local whole = dict:get(id)
  if not whole then
    return 0
  end
  return math.max(whole, dict:get(id .. " " .. crc32(path) % PLACES) or 0)
end

-- Read the file, and write it anew without what is old or stands there twice.
function _M.load()
  local path = settings.get().invalidations
  local text = files.read(path)
  local oldest = ngx.time() - SECONDS
  local newest = {}
  for at, id, place in text:gmatch("(%d+) (%d+) (%S+)\n") do
    at = tonumber(at)
    if at > oldest then
      local name = id .. " " .. place
      newest[name] = math.max(at, newest[name] or 0)
    end
  end
  local lines = {}
  for name, at in pairs(newest) do
    local id, place = name:match("(%d+) (%S+)")
    mark(id, place)
    lines[#lines + 1] = string.format("%d %s\n", at, name)
  end
  local tidy = table.concat(lines)
  if #tidy < #text then
    files.keep(path, tidy)
  end
end

return _M
