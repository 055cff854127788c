-- What a worker has seen since its last flush, in plain tables: a request pays for one cell and no text.
--
--   tally.request("www.example.com", "HIT", 200, 0.004, 1024)      in the public server's log phase
--   tally.hit(tally.cell("www.example.com", "HIT", 200), 1024)     the same for what comes from memory
--   tally.path("www.example.com", "/a?x=1")                        for the top paths; see below
--   tally.origin("www.example.com", 0.120)                         in the fetch tier's log phase
--   tally.drain()  -->  { cells = {…}, paths = {…}, origins = {…} }, and begins anew
--
-- A cell holds the requests of one domain with one cache status and one status: requests, bytes, seconds, and
-- how many took how long. All other counts are sums over cells, made when they are flushed.
--
-- Paths are noted all at first, and one in SPARSE at random (counted SPARSE times) once a flush has EXACT.
local _M = {
  -- Upper limits in seconds, inclusive; what took longer is counted past the last.
  LIMITS = { 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 },
  REQUESTS = 1, BYTES = 2, SECONDS = 3, FIRST_BUCKET = 4,
  -- Set when the worker is leaving: no timer of its own comes any more, so each request flushes.
  closing = false,
}

local EXACT, SPARSE = 256, 16
local MAX_CELLS = 8192
local MAX_NOTES = 8192

local LIMITS, LAST = _M.LIMITS, _M.FIRST_BUCKET + #_M.LIMITS
local random = math.random

local cells, made = {}, 0 -- host → cache status → status → cell
local touched = {}
local notes, noted = {}, 0 -- host, path, weight, host, path, weight, …
local weight, skip = 1, 0
local origins = {}

local function new_cell(host, cache, status)
  if made >= MAX_CELLS then
    cells, made = {}, 0 -- those with counts are in `touched`
  end
  made = made + 1
  local cell = { host = host, cache = cache, status = status, memo = {} }
  for i = 1, LAST do
    cell[i] = 0
  end
  local by_cache = cells[host] or {}
  cells[host] = by_cache
  by_cache[cache] = by_cache[cache] or {}
  by_cache[cache][status] = cell
  return cell
end

local function cell_of(host, cache, status)
  local by_cache = cells[host]
  local by_status = by_cache and by_cache[cache]
  return by_status and by_status[status] or new_cell(host, cache, status)
end

_M.cell = cell_of

-- Another quick hit of a cell that the caller keeps: the cheapest way to count.
function _M.hit(cell, bytes)
  if cell[1] == 0 then
    touched[#touched + 1] = cell
  end
  cell[1] = cell[1] + 1
  cell[2] = cell[2] + bytes
  cell[4] = cell[4] + 1
end

local function bucket(seconds)
  for i = 1, #LIMITS do
    if seconds <= LIMITS[i] then
      return i + 3
    end
  end
  return LAST
end

function _M.request(host, cache, status, seconds, bytes)
  local cell = cell_of(host, cache, status)
  if cell[1] == 0 then
    touched[#touched + 1] = cell
  end
  cell[1] = cell[1] + 1
  cell[2] = cell[2] + bytes
  cell[3] = cell[3] + seconds
  local i = seconds <= 0.001 and 4 or bucket(seconds)
  cell[i] = cell[i] + 1
end

-- Shall the path of this request be noted? Asked before the path is read, which costs more than the rest.
function _M.wants_path()
  if skip > 0 then
    skip = skip - 1
    return false
  end
  if weight > 1 then
    skip = random(2 * SPARSE - 1) - 1 -- on average SPARSE - 1 are left out
  end
  return noted < MAX_NOTES
end

function _M.path(host, path)
  local i = 3 * noted
  notes[i + 1], notes[i + 2], notes[i + 3] = host, path, weight
  noted = noted + 1
  if noted == EXACT then
    weight = SPARSE
  end
end

function _M.origin(host, seconds)
  local sums = origins[host]
  if not sums then
    sums = { 0, 0 }
    origins[host] = sums
  end
  sums[1] = sums[1] + 1
  sums[2] = sums[2] + seconds
end

-- cells: a list of copies, as above; each has a `memo`, a table for what its readers have worked out.
-- paths: a flat list host, path, weight, … origins: host → { answers, seconds }.
function _M.drain()
  local batch = { cells = {}, paths = notes, origins = origins }
  for n, cell in ipairs(touched) do
    local copy = { host = cell.host, cache = cell.cache, status = cell.status, memo = cell.memo }
    for i = 1, LAST do
      copy[i] = cell[i]
      cell[i] = 0
    end
    batch.cells[n] = copy
  end
  touched, origins = {}, {}
  notes, noted, weight, skip = {}, 0, 1, 0
  return batch
end

return _M
