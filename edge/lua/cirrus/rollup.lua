-- The traffic of one domain in one minute: adding up, and the two forms in which it travels.
--
--   local record = rollup.new()
--   rollup.request(record, "HIT", 200, 5, 5120)    rollup.origin(record, 2, 0.25)    rollup.path(record, "/a", 5)
--   rollup.pack("www.example.com", record)  -->  one text for shared memory; rollup.unpack() reads it
--   rollup.document(record)                 -->  what becomes JSON in cdn:stats:{node}:{minute}
local sketch = require "cirrus.sketch"

local _M = {}

local NAMES = 64        -- paths that a minute's sketch holds
local TOP = 10          -- paths that leave the worker, and that come to Redis
local MAX_PATH = 100    -- characters of a path that are kept

-- The order in which numbers stand in a packed record.
local FIELDS = {
  "requests", "bytes", "hit", "stale", "miss", "bypass", "1xx", "2xx", "3xx", "4xx", "5xx",
  "origin_requests", "origin_ms",
}
local KIND_OF_CACHE = {
  HIT = "hit", REVALIDATED = "hit", STALE = "stale", UPDATING = "stale", MISS = "miss", EXPIRED = "miss",
  BYPASS = "bypass",
}

function _M.new()
  local record = { paths = sketch.new(NAMES) }
  for _, field in ipairs(FIELDS) do
    record[field] = 0
  end
  return record
end

function _M.request(record, cache, status, requests, bytes)
  record.requests = record.requests + requests
  record.bytes = record.bytes + bytes
  local kind = KIND_OF_CACHE[cache]
  if kind then
    record[kind] = record[kind] + requests
  end
  local class = math.floor(status / 100) .. "xx"
  if record[class] then
    record[class] = record[class] + requests
  end
end

function _M.origin(record, requests, seconds)
  record.origin_requests = record.origin_requests + requests
  record.origin_ms = record.origin_ms + seconds * 1000
end

-- A request target as it may stand in JSON and on a page: no query, printable ASCII, at most MAX_PATH characters.
local function clean(path)
  path = path:sub(1, MAX_PATH + 1):gsub("%?.*", ""):gsub("[^\33-\126]", function(byte)
    return string.format("%%%02X", byte:byte())
  end)
  return #path > MAX_PATH and path:sub(1, MAX_PATH) .. "…" or path
end

function _M.path(record, path, amount)
  sketch.add(record.paths, clean(path), amount)
end

function _M.pack(host, record)
  local numbers = {}
  for i, field in ipairs(FIELDS) do
    numbers[i] = string.format("%.0f", record[field])
  end
  local lines = { host, table.concat(numbers, " ") }
  for _, pair in ipairs(sketch.top(record.paths, TOP)) do
    lines[#lines + 1] = string.format("%.0f %s", pair[2], pair[1])
  end
  return table.concat(lines, "\n")
end

-- The host and what a packed text adds to `into` (a record, made where there is none), host → record.
function _M.unpack(text, into)
  local lines = text:gmatch("[^\n]+")
  local host, numbers = lines(), lines()
  local record = into[host] or _M.new()
  into[host] = record
  local i = 0
  for number in numbers:gmatch("%d+") do
    i = i + 1
    record[FIELDS[i]] = record[FIELDS[i]] + tonumber(number)
  end
  for line in lines do
    local count, path = line:match("^(%d+) (.*)$")
    sketch.add(record.paths, path, tonumber(count))
  end
end

function _M.document(record)
  local document = {}
  for _, field in ipairs(FIELDS) do
    document[field] = math.floor(record[field] + 0.5)
  end
  local paths = sketch.top(record.paths, TOP)
  document.paths = #paths > 0 and paths or nil -- an empty list would become {} in JSON
  return document
end

-- The record of such a document that was written before; what has no sense counts as nothing.
function _M.of_document(document)
  local record = _M.new()
  for _, field in ipairs(FIELDS) do
    record[field] = math.max(0, tonumber(document[field]) or 0)
  end
  for _, pair in ipairs(type(document.paths) == "table" and document.paths or {}) do
    if type(pair) == "table" and type(pair[1]) == "string" and tonumber(pair[2]) then
      sketch.add(record.paths, pair[1], tonumber(pair[2]))
    end
  end
  return record
end

return _M
