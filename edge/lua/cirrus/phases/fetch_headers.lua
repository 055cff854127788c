-- header_filter_by_lua of the fetch tier: tell the cache tier what it may do with this answer (cirrus.labels).
local hops = require "cirrus.hops"
local labels = require "cirrus.labels"
local sites = require "cirrus.sites"
local updates = require "cirrus.updates"

local var = ngx.var
local header = ngx.header

return function()
  local site = sites.find(var.host)
  if not site then
    header["X-Accel-Expires"] = 0 -- it was withdrawn meanwhile, and nobody can say what may be kept
    return
  elseif var.cirrus_attempt == "" then
    return
  end
  local status = ngx.status
  if hops.is_interim(status) then
    hops.report_interim(status, var.cirrus_origin)
    return ngx.exit(ngx.ERROR)
  end
  hops.strip(header, var.upstream_http_connection)
  if status == 304 and var.http_x_cirrus_hop then
    local headers = ngx.resp.get_headers(200, true)
    for name in pairs(headers) do
      header[name] = nil -- they need not come twice
    end
    header["X-Cirrus-Update"] = updates.pack(headers)
    return
  end
  labels.write(site, sites.act(site, var.cirrus_rule))
end
