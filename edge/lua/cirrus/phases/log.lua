-- log_by_lua of the public server, but for what comes from memory (cirrus.hot): one cell of this worker's own tally,
-- and the path of some requests.
--
--   cached()               of what the cache answers, or could have answered
--   request(site, cache)   the tally's part of it
--   origin(site, times)    how long the origin took
--   leave()                where the worker is leaving
local flights = require "cirrus.flights"
local metrics = require "cirrus.metrics"
local tally = require "cirrus.tally"

local var = ngx.var
local now = ngx.now
local start_time = ngx.req.start_time
local request, wants_path = tally.request, tally.wants_path

local _M = {}

-- site: its primary host, "" where nobody has the name; cache: what the cache has done.
function _M.request(site, cache)
  if site == "" then
    site = "unknown" -- counted together: these names are chosen by strangers
  elseif wants_path() then
    tally.path(site, var.request_uri or "")
  end
  request(site, cache or "NONE", ngx.status, now() - start_time(), tonumber(var.bytes_sent) or 0)
end

-- times: $upstream_response_time, or nil; of several attempts ("0.100 : 0.004") the last one counts.
function _M.origin(site, times)
  local took = times and (tonumber(times) or tonumber(times:match("([%d%.]+)%s*$")))
  if took then
    metrics.observe("nginx_upstream_response_seconds", took)
    tally.origin(site, took)
  end
end

-- No timer comes any more to flush what has been counted.
function _M.leave()
  if tally.closing then
    require("cirrus.telemetry").leave()
  end
end

function _M.cached()
  _M.request(var.cirrus_site, var.cirrus_x_cache)
  if var.cirrus_door == "lead" then
    flights.finish(flights.name(var.cirrus_key, var.http_authorization ~= nil))
  end
  _M.leave()
end

return _M
