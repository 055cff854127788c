-- init_worker_by_lua: the timers of a worker; worker 0 is also the subscriber.
local handshakes = require "cirrus.tls.counters"
local metrics = require "cirrus.metrics"
local settings = require "cirrus.settings"
local subscriber = require "cirrus.subscriber"

return function()
  metrics.start()
  if settings.get().https then
    handshakes.start()
  end
  if ngx.worker.id() == 0 then
    subscriber.start()
  end
end
