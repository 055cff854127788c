-- Is this edge fit for traffic, and what is wrong with it?
--
--   health.report()  -->  { status = "ok" | "warning" | "failing", problems = {…}, epoch = …, rev = …, … }
--
-- Failing means: send no clients here. An edge that has lost Redis or the control plane is not failing, it
-- serves what it has; that is a warning once it has lasted.
local cjson = require "cjson.safe"
local intake = require "cirrus.intake"
local settings = require "cirrus.settings"

local state = ngx.shared.cirrus_state

local _M = {}

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
  local snapshot_error = state:get("snapshot_error")
  if snapshot_error and snapshot_error ~= "" then
    found[#found + 1] = snapshot_error
  end
  return found
end

-- The whole report, as plain values.
function _M.report()
  local own, now = settings.get(), ngx.now()
  local problems = warnings(own, now)
  local loaded = state:get("version") ~= nil
  local status = #problems > 0 and "warning" or "ok"
  if not loaded then
    status = "failing"
    table.insert(problems, 1, "no configuration has been loaded yet")
  end
  return {
    status = status,
    problems = #problems > 0 and problems or nil,
    node = own.node,
    version = own.version,
    loaded = loaded,
    epoch = state:get("epoch") or 0,
    rev = state:get("rev") or 0,
    domains = state:get("domains") or 0,
    config_errors = state:get("config_errors") or 0,
    redis = state:get("contact") and state:get("redis_error") == "" and "connected" or "unreachable",
    contact_age = state:get("contact") and math.floor((now - state:get("contact")) * 1000) / 1000 or nil,
    clock_skew = state:get("skew"),
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
    { "cirrus_clock_skew_seconds", "This machine's clock minus that of Redis.", report.clock_skew or 0, "gauge" },
  }
end

function _M.json(report)
  return cjson.encode(report)
end

return _M
