-- log_by_lua of the fetch tier: how long the origin took. site: its primary host; absent in the fetch tier itself,
-- which is told by a header.
local flights = require "cirrus.flights"
local metrics = require "cirrus.metrics"
local tally = require "cirrus.tally"

local var = ngx.var

return function(site)
  local times = var.upstream_response_time
  -- Of several attempts ("0.100 : 0.004") the last one counts.
  local took = times and (tonumber(times) or tonumber(times:match("([%d%.]+)%s*$")))
  if took and var.cirrus_attempt ~= "" then -- else it asked this server once more, which counts for itself
    metrics.observe("nginx_upstream_response_seconds", took)
    tally.origin(site or var.http_x_cirrus_site or "", took)
  end
  if var.http_x_cirrus_key and not var.http_x_cirrus_hop then
    flights.land(flights.name(var.http_x_cirrus_key))
  end
  if tally.closing then
    require("cirrus.telemetry").leave()
  end
end
