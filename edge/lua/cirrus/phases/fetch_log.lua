-- log_by_lua of the fetch tier: how long the origin took, and that the whole answer has come.
local flights = require "cirrus.flights"
local log = require "cirrus.phases.log"

local var = ngx.var

return function()
  log.origin(var.http_x_cirrus_site or "")
  if var.http_x_cirrus_key and not var.http_x_cirrus_hop then
    flights.land(flights.name(var.http_x_cirrus_key))
  end
  log.leave()
end
