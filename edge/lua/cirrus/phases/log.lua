-- log_by_lua of the public server: counters in this worker's own tables.
local metrics = require "cirrus.metrics"

local var = ngx.var
local now = ngx.now
local start_time = ngx.req.start_time

return function()
  local site = var.cirrus_site
  -- Requests for unknown hosts are counted together: their names are chosen by strangers.
  metrics.request((site == "" or site == "!") and "unknown" or site, ngx.status, now() - start_time())
  local status = var.upstream_cache_status
  if status then
    metrics.count("nginx_cache_status_total", status)
  end
end
