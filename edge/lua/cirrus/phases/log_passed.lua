-- log_by_lua of the public server where it asked the origin itself: the request, and how long the origin took.
local log = require "cirrus.phases.log"
local origin_log = require "cirrus.phases.fetch_log"

local var = ngx.var

return function()
  origin_log(var.cirrus_site)
  log()
end
