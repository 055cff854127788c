-- header_filter_by_lua of the refresh server: what the origin no longer lets us keep must not be served on.
--
-- Nor must the variants of an object: what goes past nginx's look-up is stored in the place of its first variant, and
-- the older files of the others would come to light again. So when the origin has answered, all of them go.
local invalidations = require "cirrus.invalidations"
local routing = require "cirrus.routing"
local sites = require "cirrus.sites"

local var = ngx.var

return function()
  local site = sites.find(var.host)
  local is_last = var.upstream_http_x_accel_expires == "0" or var.upstream_http_x_cirrus_vary
  if site and is_last and (ngx.status < 400 or ngx.status == 404 or ngx.status == 410) then
    invalidations.note(site, routing.entry(site, var.request_uri).path)
  end
end
