-- Handshakes and their failures, for /metrics. OpenSSL counts those of this worker that began, that were finished, and
-- that resumed a session; why one failed is known here where this edge has ended it.
--
--   counters.watch(connection)                      at each handshake
--   counters.failed("client_hello", "unknown_name")
--
-- What failed for any other reason (no common cipher, a client that does not trust the certificate and says so, or that
-- has gone) is counted as `other`: begun, less finished, less those that failed here. Some of these are still under
-- way: the least of the last seconds counts, since nginx gives none of them longer.
local metrics = require "cirrus.metrics"
local openssl = require "cirrus.tls.openssl"

local _M = {}

local SECONDS = 20 -- more than client_header_timeout

local context
local explained = 0 -- failures that were counted with their reason
local finished, resumed, others = 0, 0, 0
local recent, place = {}, 0

function _M.watch(connection)
  context = context or openssl.context(connection)
end

function _M.failed(phase, reason)
  explained = explained + 1
  metrics.count("nginx_ssl_handshake_errors_total", phase .. "|" .. reason)
end

local function count(name, label, amount)
  if amount > 0 then
    metrics.count(name, label, amount)
  end
end

local function look()
  if not context then
    return
  end
  local begun, done, hits = openssl.counts(context)
  count("nginx_ssl_handshakes_total", "no", done - hits - (finished - resumed))
  count("nginx_ssl_handshakes_total", "yes", hits - resumed)
  finished, resumed = done, hits
  place = place % SECONDS + 1
  recent[place] = begun - done - explained
  local least = math.huge
  for second = 1, SECONDS do
    least = math.min(least, recent[second] or 0)
  end
  count("nginx_ssl_handshake_errors_total", "handshake|other", least - others)
  others = math.max(others, least)
end

function _M.start()
  assert(ngx.timer.every(1, look))
end

return _M
