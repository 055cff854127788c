-- balancer_by_lua: connect to the address that has been chosen, within its timeouts.
local attempts = require "cirrus.attempts"
local balancer = require "ngx.balancer"

local var = ngx.var

return function()
  local attempt = attempts.read(var.cirrus_attempt)
  assert(balancer.set_current_peer(attempt.address, attempt.port))
  assert(balancer.set_timeouts(attempt.connect, attempt.read, attempt.read))
end
