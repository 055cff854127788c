-- header_filter_by_lua of the public server: Age (RFC 9111 section 5.1), which nginx does not make.
local var = ngx.var
local header = ngx.header
local now = ngx.now
local floor = math.floor

return function()
  -- When the answer was made by the origin, as the fetch tier noted it: Unix time.
  local at = var.upstream_http_x_cirrus_at
  if at then
    local age = floor(now() - at)
    if age > 0 or var.upstream_cache_status ~= "MISS" then
      header["Age"] = age > 0 and age or 0
    end
  end
end
