-- access_by_lua of @wait: another request is fetching the same object. When it is done, this one finds the object in
-- the cache; or the answer was not for everybody, and then it goes to the origin as well, with all others at once.
local flights = require "cirrus.flights"
local metrics = require "cirrus.metrics"
local route = require "cirrus.phases.route"

local var = ngx.var

-- A purge may change the key while a request waits: then there is something else to wait for.
local MAX_TURNS = 5

return function()
  local door
  for _ = 1, MAX_TURNS do
    local key = var.cirrus_key
    door = route.again(key, flights.wait(flights.name(key, var.http_authorization ~= nil)))
    if door ~= "wait" then
      break
    end
  end
  if door == "cache" then
    metrics.count("cirrus_collapsed_total")
  end
  return ngx.exec(door == "pass" and "@pass" or "@cached")
end
