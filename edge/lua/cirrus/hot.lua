-- Small hot objects in a worker's own memory, served without a look into the cache on disk.
--
-- An object gets here by being asked for again and again: one of its hits is captured on its way to the client. It goes
-- when it stops being fresh, when a purge gives its URL another key or stamp, and when nobody asks for it any more.
-- It steps aside for everything but plain requests (no ranges, no conditions), for other statuses than 200, and for
-- variants that it does not have.
--
--   hot.wants(entry, now)       shall this hit be captured?
--   hot.hold(entry, capture)    keep what has been captured
--   hot.find(entry, now)        -->  the object, if it may be served
--
-- An object is { body, headers = { { name, value }, … }, at, expires, fill, checksums }; times are Unix times.
local entries = require "cirrus.entries"
local lines = require "cirrus.lines"
local metrics = require "cirrus.metrics"
local settings = require "cirrus.settings"
local tally = require "cirrus.tally"
local times = require "cirrus.times"

local var = ngx.var
local floor = math.floor

local _M = {}

_M.MAX_BODY = 65536
-- An object is served from here for so many seconds at most before the cache on disk is asked again.
local MAX_SECONDS = 60
-- Requests that a URL must have had before it is worth the copying, and the pause after a vain attempt.
local MIN_REQUESTS, PAUSE = 3, 5
local MAX_VARIANTS, MAX_VARY = 8, 3

-- Headers that are made anew for each answer, or by nginx itself.
local MADE_ANEW = {
  ["connection"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["content-length"] = true, ["age"] = true,
  ["x-cache"] = true, ["cache-status"] = true, ["x-request-id"] = true,
}

-- Which of an object's variants a request wants, as one text.
local function variant(vary)
  local text = var[vary[1]] or ""
  for i = 2, #vary do
    text = text .. "\n" .. (var[vary[i]] or "")
  end
  return text
end

function _M.find(entry, now)
  local object = entry.object
  if entry.vary then
    object = entry.variants[variant(entry.vary)]
    if object and lines.repeats(entry.vary.headers) then
      return nil -- the cache on disk looks at all the lines
    end
  end
  if object and object.expires > now then
    return object
  end
end

-- Count a request that memory could not answer.
function _M.wants(entry, now)
  local requests = (entry.requests or 0) + 1
  entry.requests = requests
  return requests >= MIN_REQUESTS and now >= (entry.pause or 0) and settings.get().hot_memory > 0
end

-- Not now: it is too large, or no hit.
function _M.postpone(entry, now)
  entry.pause = now + PAUSE
end

function _M.drop(entry)
  entry.object, entry.vary, entry.variants, entry.requests, entry.bytes = nil, nil, nil, nil, nil
  entry.fresh_until, entry.kept_until = nil, nil
end

-- -- capturing -----------------------------------------------------------------------------------------------

-- The names of nginx's variables for the headers of a Vary field, and as `headers` their own; nil where there are too
-- many.
local function vary_variables(field)
  local names = { headers = {} }
  for name in field:gmatch("[^%s,]+") do
    name = name:lower()
    names.headers[#names + 1] = name
    names[#names + 1] = "http_" .. name:gsub("-", "_")
  end
  return #names <= MAX_VARY and names or nil
end

-- The headers of the answer that is being sent, but for those that each answer gets anew.
local function headers_of(answer)
  local list = {}
  for name, value in pairs(answer) do
    if not MADE_ANEW[name:lower()] then
      list[#list + 1] = { name, value }
    end
  end
  if not ngx.header["Content-Type"] then
    list[#list + 1] = { "Content-Type", "" } -- nginx would give it one
  end
  list[#list + 1] = { "Cache-Control", var.upstream_http_x_cirrus_cache_control }
  list[#list + 1] = { "Vary", var.upstream_http_x_cirrus_vary }
  return list
end

-- Begin to capture the answer whose headers are being sent. nil where it cannot be kept.
--
-- It belongs to the key under which it was found: while the request waited for another one's fetch, a purge may have
-- given its URL a new one.
function _M.begin(entry, now, until_time)
  local length = tonumber(ngx.header["Content-Length"])
  local names = vary_variables(var.upstream_http_x_cirrus_vary or "")
  if ngx.status ~= 200 or not length or length > _M.MAX_BODY or not names or until_time <= now + 1 then
    return nil
  elseif #names > 0 and lines.repeats(names.headers) then
    return nil -- a variant of its own, which its first line does not tell
  end
  local at, _, _, fill = times.read(var.upstream_http_x_cirrus_times)
  local said = ngx.header["Cache-Status"]
  said = type(said) == "table" and table.concat(said, ", ") or said
  return {
    key = var.cirrus_key, stamp = var.cirrus_stamp, version = entry.version, place = entry.place,
    length = length, vary = names, variant = #names > 0 and variant(names) or nil,
    at = at or now,
    fill = fill,
    checksums = var.upstream_http_x_cirrus_tags or "",
    expires = math.min(until_time, now + MAX_SECONDS),
    fresh_until = until_time,
    headers = headers_of(ngx.resp.get_headers(100, true)),
    said = said and said .. ", " or "", -- by caches behind this one
  }
end

local function count(map)
  local total = 0
  for _ in pairs(map) do
    total = total + 1
  end
  return total
end

-- Keep a captured answer, unless something has changed meanwhile: another key, or a soft purge.
function _M.hold(entry, object)
  if #object.body ~= object.length or object.key ~= entry.key or object.stamp ~= (entry.stamp or "")
    or object.version ~= entry.version or object.place ~= entry.place then
    return
  end
  local before, same = entry.bytes or 0, entry.vary and table.concat(entry.vary) == table.concat(object.vary)
  if not object.variant then
    entry.object, entry.vary, entry.variants = object, nil, nil
    entry.bytes = object.length
  elseif not same or count(entry.variants) >= MAX_VARIANTS then
    entry.object, entry.vary, entry.variants = nil, object.vary, { [object.variant] = object }
    entry.bytes = object.length
  else
    local replaced = entry.variants[object.variant]
    entry.variants[object.variant] = object
    entry.bytes = before + object.length - (replaced and replaced.length or 0)
  end
  metrics.count("cirrus_memory_total", "kept")
  entries.weigh(entry.bytes - before)
end

-- -- sending -------------------------------------------------------------------------------------------------

-- What the edge's own headers and the status line take, about, in bytes.
local OWN_HEADERS = 260

-- Count an answer from memory: its worker's cheapest way, since these are most of all requests.
local function tell(object, site)
  local cell = object.cell
  if not cell then
    cell = tally.cell(site, "HIT", 200)
    object.cell = cell
    local size = object.length + OWN_HEADERS
    for _, pair in ipairs(object.headers) do
      size = size + #pair[1] + #tostring(pair[2] or "") + 4
    end
    object.size = size
  end
  tally.hit(cell, object.size)
  if tally.wants_path() then
    tally.path(site, var.request_uri)
  end
  if tally.closing then
    require("cirrus.telemetry").leave()
  end
end

-- Set the headers of an answer from memory, and count it.
function _M.send_headers(object, now, node, site)
  local header = ngx.header
  local headers = object.headers
  for i = 1, #headers do
    local pair = headers[i]
    header[pair[1]] = pair[2]
  end
  local second = floor(now)
  if object.second ~= second then
    object.second = second
    object.age = math.max(0, floor(second - object.at))
    object.status = object.said .. node .. "; hit; ttl=" .. floor(object.fresh_until - second)
  end
  header["Age"] = object.age
  header["Cache-Status"] = object.status
  tell(object, site)
end

return _M
