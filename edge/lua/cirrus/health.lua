-- Is this edge fit for traffic, and what is wrong with it?
--
--   health.report()  -->  { status = "ok" | "warning" | "failing", problems = {…}, epoch = …, rev = …, … }
--
-- Failing means: send no clients here. An edge that has lost Redis or the control plane is not failing, it
-- serves what it has; that is a warning once it has lasted.
local cjson = require "cjson.safe"
local disk = require "cirrus.disk"
local intake = require "cirrus.intake"
local settings = require "cirrus.settings"

local state = ngx.shared.cirrus_state
local counters = ngx.shared.cirrus_metrics

local _M = {}

local function megabytes(bytes)
  return math.floor(bytes / 1048576) .. " MB"
end

-- What forbids to send clients here.
local function failures(own)
  local found = {}
  if state:get("version") == nil then
    found[#found + 1] = "no configuration has been loaded yet"
  end
  if state:get("catching_up") then
    found[#found + 1] = "catching up with purges"
  end
  local free = disk.free()
  if free and free < own.cache.min_free then
    found[#found + 1] = string.format("the cache's disk has %s free, less than %s (CIRRUS_EDGE_MIN_FREE)",
      megabytes(free), megabytes(own.cache.min_free))
  end
  return found
end

local function warn_of_sentences(found)
  for _, name in ipairs({ "snapshot_error", "log_problem", "disk_problem" }) do
    local sentence = state:get(name)
    if sentence and sentence ~= "" then
      found[#found + 1] = sentence
    end
  end
end

local function warnings(own, now)
  local found = {}
  local contact = state:get("contact")
  local silent = contact and now - contact or now - (state:get("started") or now)
  if silent > own.stale_after then
    found[#found + 1] = string.format("no contact with Redis for %d s: %s", silent, state:get("redis_error") or "")
  end
  local refusals = 0
  for _ in pairs(intake.refusals()) do
    refusals = refusals + 1
  end
  if refusals > 0 then
    local count = (intake.refusals_cut() and "more than " or "") .. refusals
    found[#found + 1] = count .. " documents were refused; their last good revisions are served"
  end
  if (state:get("orphans") or 0) > 0 then
    found[#found + 1] = state:get("orphans") .. " documents are served that Redis no longer lists"
  end
  if state:get("older_epoch") then
    found[#found + 1] = "Redis holds an older keyspace than this edge has; it waits for a newer one"
  end
  warn_of_sentences(found)
  return found
end

-- The whole report, as plain values.
function _M.report()
  local own, now = settings.get(), ngx.now()
  local problems = failures(own)
  local status = #problems > 0 and "failing" or "ok"
  for _, warning in ipairs(warnings(own, now)) do
    status = status == "ok" and "warning" or status
    problems[#problems + 1] = warning
  end
  return {
    status = status,
    problems = #problems > 0 and problems or nil,
    node = own.node,
    version = own.version,
    loaded = state:get("version") ~= nil,
    epoch = state:get("epoch") or 0,
    rev = state:get("rev") or 0,
    domains = state:get("domains") or 0,
    config_errors = state:get("config_errors") or 0,
    redis = state:get("contact") and state:get("redis_error") == "" and "connected" or "unreachable",
    contact_age = state:get("contact") and math.floor((now - state:get("contact")) * 1000) / 1000 or nil,
    clock_skew = state:get("skew"),
    generation = state:get("generation"),
    catching_up = state:get("catching_up") or false,
    cache = { size = own.cache.size, keys = own.cache.keys, min_free_bytes = own.cache.min_free,
      free_bytes = disk.free() },
    -- Attempts at origins since nginx was started that failed, and others that took too long.
    origins = { errors = counters:get("nginx_upstream_errors_total") or 0,
      timeouts = counters:get("nginx_upstream_timeouts_total") or 0 },
  }
end

-- The same for Prometheus: a list of { name, help, value, type }.
function _M.metrics()
  local report = _M.report()
  local function flag(value)
    return value and 1 or 0
  end
  return {
    { "cirrus_config_loaded", "1 once a configuration has been loaded.", flag(report.loaded), "gauge" },
    { "cirrus_config_epoch", "The epoch of the configuration.", report.epoch, "gauge" },
    { "cirrus_config_revision", "The newest revision applied.", report.rev, "gauge" },
    { "cirrus_config_errors_total", "Documents refused since the start.", report.config_errors, "counter" },
    { "cirrus_config_orphans", "Documents served that Redis no longer lists.", state:get("orphans") or 0, "gauge" },
    { "cirrus_domains", "Domains that this edge serves.", report.domains, "gauge" },
    { "cirrus_redis_connected", "1 while Redis is reached.", flag(report.redis == "connected"), "gauge" },
    { "cirrus_config_memory_free_bytes", "Room left for documents.", ngx.shared.cirrus_docs:free_space(), "gauge" },
    { "cirrus_cache_disk_free_bytes", "Room left on the cache's disk.", report.cache.free_bytes or 0, "gauge" },
    { "cirrus_traffic_memory_free_bytes", "Room left for traffic by minute.",
      ngx.shared.cirrus_traffic:free_space(), "gauge" },
    { "cirrus_catching_up", "1 while purges are missing that were made before.", flag(report.catching_up), "gauge" },
    { "cirrus_clock_skew_seconds", "This machine's clock minus that of Redis.", report.clock_skew or 0, "gauge" },
  }
end

function _M.json(report)
  return cjson.encode(report)
end

return _M
