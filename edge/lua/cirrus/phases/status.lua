-- content_by_lua of the status port.
local health = require "cirrus.health"
local metrics = require "cirrus.metrics"
local telemetry = require "cirrus.telemetry"

local _M = {}

-- GET /healthz: 503 while clients should not be sent here.
function _M.healthz()
  local report = health.report()
  ngx.status = report.status == "failing" and 503 or 200
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Cache-Control"] = "no-store"
  ngx.say(health.json(report))
end

-- GET /metrics
function _M.metrics()
  telemetry.flush() -- at least what this worker has counted is not a second old
  ngx.header["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
  ngx.print(metrics.render(health.metrics()))
end

return _M
