-- Counters: plain tables per worker, merged into shared memory once a second, printed for Prometheus.
--
--   metrics.count("cirrus_purges_total", "applied")     of a family below; at most MAX_LABELS labels of a name
--   metrics.observe("nginx_upstream_response_seconds", 0.12)
--
-- What is counted of every request comes from cirrus.tally. Hosts are those of known domains only, and past
-- MAX_HOSTS on this edge they are counted together, so a scan cannot grow the output.
local tally = require "cirrus.tally"

local _M = {}

local dict = ngx.shared.cirrus_metrics
local format = string.format

local MAX_HOSTS, MAX_LABELS = 2000, 64
local MAX_REMEMBERED = 20000

-- name → { type, help, labels of a key, in order }
local FAMILIES = {
  nginx_http_requests_total = { "counter", "Requests by domain and status.", { "host", "status" } },
  nginx_cache_status_total = { "counter", "Answers by cache status.", { "status" } },
  nginx_upstream_errors_total = { "counter", "Attempts at an origin that failed.", {} },
  nginx_upstream_timeouts_total = { "counter", "Attempts at an origin that took too long.", {} },
  nginx_ssl_handshakes_total = { "counter", "TLS handshakes that were finished.", { "resumed" } },
  nginx_ssl_handshake_errors_total = { "counter", "TLS handshakes that failed.", { "phase", "reason" } },
  cirrus_origin_refused_total = { "counter", "Attempts that found no address an edge may connect to.", {} },
  cirrus_http_bytes_total = { "counter", "Bytes sent to clients, headers included.", { "host" } },
  cirrus_cache_requests_total = { "counter", "Requests by domain and cache status.", { "host", "status" } },
  cirrus_stale_served_total = { "counter", "Old answers served on purpose.", {} },
  cirrus_collapsed_total = { "counter", "Hits that waited for another request's fetch.", {} },
  cirrus_memory_total = { "counter", "Look-ups in the memory tier.", { "result" } },
  cirrus_purges_total = { "counter", "Purges taken in.", { "result" } },
  cirrus_refreshes_total = { "counter", "Fetches in the background.", { "result" } },
  cirrus_cache_refused_total = { "counter", "Answers that were not stored.", { "reason" } },
  cirrus_traffic_dropped_total = { "counter", "Requests that are missing in Redis's traffic counts.", {} },
  cirrus_log_rotations_total = { "counter", "Rotations of the access log.", {} },
}
local HISTOGRAMS = {
  nginx_http_request_duration_seconds = "How long requests took, as the clients saw it.",
  nginx_upstream_response_seconds = "How long origins took to answer.",
}

-- Statuses with a line of their own; others are counted by their class, as an origin may invent hundreds.
local STATUSES = {}
for status in ([[
  200 201 202 203 204 206 301 302 303 304 307 308 400 401 403 404 405 406 408 409 410 411 412 413 414 415 416
  421 422 425 426 429 431 451 499 500 501 502 503 504 505 507 508 511 ]]):gmatch("%d+") do
  STATUSES[tonumber(status)] = status
end

local function status_label(status)
  return STATUSES[status] or status >= 100 and status < 600 and math.floor(status / 100) .. "xx" or "other"
end

-- -- counting -------------------------------------------------------------------------------------

local pending = {}       -- key in shared memory → what to add
local labelled_keys = {} -- name → label → key, so that a request builds no text

local function add(key, amount)
  pending[key] = (pending[key] or 0) + amount
end

local function labelled_key(name, label)
  local keys = labelled_keys[name]
  if not keys then
    keys = { count = 0, of = {} }
    labelled_keys[name] = keys
  end
  local key = keys.of[label]
  if not key then
    if keys.count >= MAX_LABELS then
      return name .. "|other"
    end
    key = name .. "|" .. label
    keys.of[label] = key
    keys.count = keys.count + 1
  end
  return key
end

-- Count one, or `amount`. A name that is in no family above is counted nowhere, and told in the error log.
function _M.count(name, label, amount)
  if not FAMILIES[name] then
    if not labelled_keys[name] then
      labelled_keys[name] = { count = 0, of = {} }
      ngx.log(ngx.ERR, "there is no metric called ", name)
    end
    return
  end
  add(label and labelled_key(name, label) or name, amount or 1)
end

local histogram_keys = {}
for name in pairs(HISTOGRAMS) do
  local keys = { sum = name .. "_sum", inf = name .. "_bucket|+Inf" }
  for i, limit in ipairs(tally.LIMITS) do
    keys[i] = name .. "_bucket|" .. limit
  end
  histogram_keys[name] = keys
end

function _M.observe(name, seconds)
  local keys = histogram_keys[name]
  local key = keys.inf
  for i = 1, #tally.LIMITS do
    if seconds <= tally.LIMITS[i] then
      key = keys[i]
      break
    end
  end
  add(key, 1)
  add(keys.sum, seconds)
end

-- -- merging into shared memory -------------------------------------------------------------------

local host_labels, remembered = {}, 0 -- host → its own name, or "other"

-- Whether this host is one of the MAX_HOSTS of this edge; all workers agree on which those are.
local function is_registered(host)
  if dict:get("host|" .. host) then
    return true
  end
  if dict:incr("hosts", 1, 0) <= MAX_HOSTS and dict:add("host|" .. host, true) then
    return true
  end
  dict:incr("hosts", -1)
  return dict:get("host|" .. host) == true -- another worker was faster
end

local function host_label(host)
  local label = host_labels[host]
  if not label then
    if remembered >= MAX_REMEMBERED then
      host_labels, remembered = {}, 0
    end
    label = is_registered(host) and host or "other"
    host_labels[host] = label
    remembered = remembered + 1
  end
  return label
end

-- The keys of those counters that a request of this cell raises by one, and that of its bytes.
local function keys_of(cell)
  local host, cache = host_label(cell.host), cell.cache
  local keys = { "nginx_http_requests_total|" .. host .. "|" .. status_label(cell.status) }
  if cache ~= "NONE" then
    keys[2] = "nginx_cache_status_total|" .. cache
    keys[3] = "cirrus_cache_requests_total|" .. host .. "|" .. cache
  end
  if cache == "STALE" or cache == "UPDATING" then
    keys[4] = "cirrus_stale_served_total"
  end
  keys.bytes = "cirrus_http_bytes_total|" .. host
  return keys
end

local function add_cell(cell)
  local own = cell.memo.keys or keys_of(cell)
  cell.memo.keys = own
  for i = 1, #own do
    add(own[i], cell[tally.REQUESTS])
  end
  add(own.bytes, cell[tally.BYTES])
  local keys = histogram_keys.nginx_http_request_duration_seconds
  add(keys.sum, cell[tally.SECONDS])
  for i = 1, #tally.LIMITS + 1 do
    local count = cell[tally.FIRST_BUCKET + i - 1]
    if count > 0 then
      add(keys[i] or keys.inf, count)
    end
  end
end

-- Merge this worker's counts into shared memory. Returns the tally's batch, for the counts by minute.
function _M.flush()
  local batch = tally.drain()
  for _, cell in ipairs(batch.cells) do
    add_cell(cell)
  end
  local amounts = pending
  pending = {}
  for key, amount in pairs(amounts) do
    dict:incr(key, amount, 0)
  end
  return batch
end

function _M.start()
  -- Only here, since that module counts with this one.
  require("cirrus.telemetry").start()
end

-- -- printing -------------------------------------------------------------------------------------

local function escape(text)
  return (text:gsub('[\\"\n]', { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

local function labelled(name, labels, values)
  local parts = {}
  for i, label in ipairs(labels) do
    parts[i] = label .. '="' .. escape(values[i] or "") .. '"'
  end
  return #parts > 0 and name .. "{" .. table.concat(parts, ",") .. "}" or name
end

local function split(key)
  local parts = {}
  for part in (key .. "|"):gmatch("([^|]*)|") do
    parts[#parts + 1] = part
  end
  return table.remove(parts, 1), parts
end

local function print_histogram(out, name, help)
  local keys = histogram_keys[name]
  out[#out + 1] = "# HELP " .. name .. " " .. help .. "\n# TYPE " .. name .. " histogram"
  local total = 0
  for i, limit in ipairs(tally.LIMITS) do
    total = total + (dict:get(keys[i]) or 0)
    out[#out + 1] = format('%s_bucket{le="%s"} %d', name, limit, total)
  end
  total = total + (dict:get(keys.inf) or 0)
  out[#out + 1] = format('%s_bucket{le="+Inf"} %d', name, total)
  out[#out + 1] = format("%s_sum %.6f", name, dict:get(keys.sum) or 0)
  out[#out + 1] = format("%s_count %d", name, total)
end

-- The text of /metrics (Prometheus' text format 0.0.4). others: a list of { name, help, value, type }.
-- What the last second has brought may be missing.
function _M.render(others)
  local lines = {}
  for _, key in ipairs(dict:get_keys(0)) do
    local name, values = split(key)
    if FAMILIES[name] then
      lines[name] = lines[name] or {}
      table.insert(lines[name], labelled(name, FAMILIES[name][3], values) .. " " .. format("%d", dict:get(key)))
    end
  end
  local out = {}
  for name, family in pairs(FAMILIES) do
    out[#out + 1] = "# HELP " .. name .. " " .. family[2] .. "\n# TYPE " .. name .. " " .. family[1]
    local samples = lines[name] or (#family[3] == 0 and { name .. " 0" }) or {}
    table.sort(samples)
    for _, sample in ipairs(samples) do
      out[#out + 1] = sample
    end
  end
  for name, help in pairs(HISTOGRAMS) do
    print_histogram(out, name, help)
  end
  for _, other in ipairs(others) do
    out[#out + 1] = "# HELP " .. other[1] .. " " .. other[2] .. "\n# TYPE " .. other[1] .. " " .. other[4]
    out[#out + 1] = other[1] .. " " .. format("%.14g", other[3])
  end
  return table.concat(out, "\n") .. "\n"
end

return _M
