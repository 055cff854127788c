-- Counters: plain tables per worker, merged into shared memory once a second, printed for Prometheus.
--
--   metrics.count("nginx_cache_status_total", "HIT")
--   metrics.request("www.example.com", 200, 0.004)
--
-- A request pays for an addition in a table of its own worker. Hosts are those of known domains only, and
-- past MAX_HOSTS they are counted together, so a scan cannot grow the output.
local _M = {}

local dict = ngx.shared.cirrus_metrics
local format = string.format

local FLUSH_EVERY = 1
local MAX_HOSTS = 2000
local BUCKETS = { 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 }

-- name → { type, help, labels of a key, in order }
local FAMILIES = {
  nginx_http_requests_total = { "counter", "Requests by domain and status.", { "host", "status" } },
  nginx_cache_status_total = { "counter", "Answers by cache status.", { "status" } },
  nginx_upstream_errors_total = { "counter", "Attempts at an origin that failed.", {} },
  nginx_upstream_timeouts_total = { "counter", "Attempts at an origin that took too long.", {} },
  cirrus_origin_refused_total = { "counter", "Attempts that found no address an edge may connect to.", {} },
}
local HISTOGRAMS = {
  nginx_http_request_duration_seconds = "How long requests took, as the clients saw it.",
  nginx_upstream_response_seconds = "How long origins took to answer.",
}

local pending = {}    -- key in shared memory → what to add
local by_host = {}    -- host → status → key, so that a request builds no text
local hosts = 0

local function add(key, amount)
  pending[key] = (pending[key] or 0) + amount
end

local labelled_keys = {} -- name → label → key, so that a request builds no text

function _M.count(name, label)
  local key = name
  if label then
    local keys = labelled_keys[name]
    if not keys then
      keys = {}
      labelled_keys[name] = keys
    end
    key = keys[label]
    if not key then
      key = name .. "|" .. label
      keys[label] = key
    end
  end
  add(key, 1)
end

local function request_key(host, status)
  local statuses = by_host[host]
  if not statuses then
    if hosts >= MAX_HOSTS then
      host = "other"
      statuses = by_host[host]
    end
    if not statuses then
      hosts = hosts + 1
      statuses = {}
      by_host[host] = statuses
    end
  end
  local key = statuses[status]
  if not key then
    key = "nginx_http_requests_total|" .. host .. "|" .. status
    statuses[status] = key
  end
  return key
end

local histogram_keys = {}
for name in pairs(HISTOGRAMS) do
  local keys = { sum = name .. "_sum", inf = name .. "_bucket|+Inf" }
  for i, limit in ipairs(BUCKETS) do
    keys[i] = name .. "_bucket|" .. limit
  end
  histogram_keys[name] = keys
end

function _M.observe(name, seconds)
  local keys = histogram_keys[name]
  local bucket = keys.inf
  for i = 1, #BUCKETS do
    if seconds <= BUCKETS[i] then
      bucket = keys[i]
      break
    end
  end
  add(bucket, 1)
  add(keys.sum, seconds)
end

function _M.request(host, status, seconds)
  add(request_key(host, status), 1)
  _M.observe("nginx_http_request_duration_seconds", seconds)
end

-- Merge this worker's counts into shared memory.
function _M.flush()
  local batch = pending
  pending = {}
  for key, amount in pairs(batch) do
    dict:incr(key, amount, 0)
  end
end

function _M.start()
  assert(ngx.timer.every(FLUSH_EVERY, _M.flush))
end

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
  for i, limit in ipairs(BUCKETS) do
    total = total + (dict:get(keys[i]) or 0)
    out[#out + 1] = format('%s_bucket{le="%s"} %d', name, limit, total)
  end
  total = total + (dict:get(keys.inf) or 0)
  out[#out + 1] = format('%s_bucket{le="+Inf"} %d', name, total)
  out[#out + 1] = format("%s_sum %.6f", name, dict:get(keys.sum) or 0)
  out[#out + 1] = format("%s_count %d", name, total)
end

-- The text of /metrics (Prometheus' text format 0.0.4). others: a list of { name, help, value, type }.
function _M.render(others)
  _M.flush()
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
