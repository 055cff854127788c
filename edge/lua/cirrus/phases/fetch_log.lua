-- log_by_lua of the fetch tier: how long the origin took.
local metrics = require "cirrus.metrics"

local var = ngx.var

return function()
  local took = tonumber((var.upstream_response_time or ""):match("([%d%.]+)%s*$"))
  if took then
    metrics.observe("nginx_upstream_response_seconds", took)
  end
end
