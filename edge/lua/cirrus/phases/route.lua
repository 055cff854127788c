-- set_by_lua for $cirrus_site: the domain that this request is for. "" is an unknown host, "!" means that
-- nothing has been loaded yet. No coroutine, no I/O: this is all the Lua that runs before the cache.
local sites = require "cirrus.sites"

local var = ngx.var
local find = sites.find

return function()
  local site, why = find(var.host)
  if site then
    return site.host
  end
  return why == "loading" and "!" or ""
end
