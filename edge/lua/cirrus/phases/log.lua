-- log_by_lua of the public server: one cell of this worker's own tally, and the path of some requests.
local flights = require "cirrus.flights"
local tally = require "cirrus.tally"

local var = ngx.var
local now = ngx.now
local start_time = ngx.req.start_time
local request, wants_path = tally.request, tally.wants_path

local function count()
  local site = var.cirrus_site
  if site == "" then
    site = "unknown" -- counted together: these names are chosen by strangers
  elseif wants_path() then
    tally.path(site, var.request_uri or "")
  end
  request(site, var.cirrus_x_cache or "NONE", ngx.status, now() - start_time(), tonumber(var.bytes_sent) or 0)
end

return function()
  local door = var.cirrus_door
  if door ~= "memory" then -- that was counted when it was sent (cirrus.hot)
    count()
  end
  if door == "lead" then
    flights.finish(flights.name(var.cirrus_key))
  end
  if tally.closing then
    require("cirrus.telemetry").leave()
  end
end
