-- balancer_by_lua of the fetch tier: connect to the address that has been chosen, within its timeouts.
local balancer = require "ngx.balancer"

local var = ngx.var

return function()
  assert(balancer.set_current_peer(var.cirrus_address, tonumber(var.cirrus_port)))
  local read = var.cirrus_read_ms / 1000
  assert(balancer.set_timeouts(var.cirrus_connect_ms / 1000, read, read))
end
