-- header_filter_by_lua of the public server: Age (RFC 9111 section 5.1), which nginx does not make, and a
-- note of each URL whose answer is not stored.
local passes = require "cirrus.passes"
local sites = require "cirrus.sites"

local var = ngx.var
local header = ngx.header
local now = ngx.now
local floor = math.floor

return function()
  -- When the origin made the answer, as the fetch tier noted it: Unix time.
  local at = var.upstream_http_x_cirrus_at
  if not at then
    return
  end
  local status = var.upstream_cache_status
  local age = floor(now() - at)
  if age > 0 or status == "HIT" then
    header["Age"] = age > 0 and age or 0
  end
  if not status or status == "HIT" then
    return -- no status: a method that has nothing to do with the cache
  end
  local site = sites.find(var.host)
  if not site then
    return
  end
  if var.upstream_http_x_accel_expires ~= "0" then
    passes.forget(site, var.request_uri)
  elseif status == "MISS" or status == "BYPASS" or ngx.status < 500 then
    -- Where there is an older answer to fall back on, a failing origin is no reason to go past it.
    passes.note(site, var.request_uri, now())
  end
end
