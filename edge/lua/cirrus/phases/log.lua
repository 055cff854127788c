-- log_by_lua of the public server, but for what comes from memory (cirrus.hot): one cell of this worker's own tally,
-- and the path of some requests.
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
  count()
  if door == "lead" then
    flights.finish(flights.name(var.cirrus_key))
  end
  if tally.closing then
    require("cirrus.telemetry").leave()
  end
end
