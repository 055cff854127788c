-- init_worker_by_lua: the timers of a worker; worker 0 is also the subscriber.
local metrics = require "cirrus.metrics"
local subscriber = require "cirrus.subscriber"

return function()
  metrics.start()
  if ngx.worker.id() == 0 then
    subscriber.start()
  end
end
