-- balancer_by_lua of the fetch tier: connect to the address that has been chosen, within its timeouts.
local balancer = require "ngx.balancer"

local var = ngx.var

return function()
  local address, port, connect, read = var.cirrus_peer:match("^(%S+) (%d+) (%d+) (%d+)$")
  assert(balancer.set_current_peer(address, tonumber(port)))
  assert(balancer.set_timeouts(connect / 1000, read / 1000, read / 1000))
end
