-- set_by_lua for $cirrus_site: the domain that this request is for. "" is an unknown host, "!" means that
-- nothing has been loaded yet. No coroutine, no I/O: this is all the Lua that runs before the cache.
-- It also gives the request its id, and sends what is not stored past the cache.
local passes = require "cirrus.passes"
local request_id = require "cirrus.request_id"
local sites = require "cirrus.sites"

local var = ngx.var
local find = sites.find

return function()
  var.cirrus_request_id = request_id.next()
  local site, why = find(var.host)
  if not site then
    return why == "loading" and "!" or ""
  end
  if site.passes and passes.has(site, var.request_uri, ngx.now()) then
    var.cirrus_bypass = "1"
  end
  return site.host
end
