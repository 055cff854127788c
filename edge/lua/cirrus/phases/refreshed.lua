-- header_filter_by_lua of the refresh server: what the origin no longer lets us keep must not be served on.
local invalidations = require "cirrus.invalidations"
local routing = require "cirrus.routing"
local sites = require "cirrus.sites"

local var = ngx.var

return function()
  local site = sites.find(var.host)
  if site and var.upstream_http_x_accel_expires == "0" and ngx.status < 500 then
    invalidations.note(site.host, routing.entry(site, var.request_uri).path)
  end
end
