-- log_by_lua of the fetch tier: how long the origin took, and that the whole answer has come.
local flights = require "cirrus.flights"
local log = require "cirrus.phases.log"
local sites = require "cirrus.sites"

local var = ngx.var

return function()
  if var.cirrus_attempt ~= "" then -- else it asked this server once more, which counts for itself
    local site = sites.find(var.host)
    log.origin(site and site.host or "", var.upstream_response_time)
  end
  local key = var.http_x_cirrus_key
  if key and not var.http_x_cirrus_hop then
    flights.land(flights.name(key, var.http_authorization ~= nil))
  end
  log.leave()
end
