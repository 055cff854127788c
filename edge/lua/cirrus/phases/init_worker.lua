-- init_worker_by_lua: the timers of a worker; worker 0 is also the subscriber, and says whose settings it has: a reload
-- that nginx refuses has no workers, so `run_edge --reload` waits for that.
local files = require "cirrus.files"
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
    local own = settings.get()
    files.write(own.taken, own.number)
    subscriber.start()
  end
end
