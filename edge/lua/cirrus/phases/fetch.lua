-- access_by_lua of the fetch tier and of the pass door: choose the origin to ask; after a failed attempt, the next one.
--
-- The state of a request is kept in nginx variables, since ngx.ctx does not survive the internal redirects:
--   $cirrus_order  indices of the origins, "2,1,3"        $cirrus_tried  ",address:port,address:port,"
--   $cirrus_address, $cirrus_port, $cirrus_connect_ms, $cirrus_read_ms   for the balancer
--   $cirrus_origin, $cirrus_host, $cirrus_sni   label, Host header and TLS server name of the attempt
--   $cirrus_target   the normalized path and query: what is keyed is what is asked for
local memo = require "cirrus.memo"
local metrics = require "cirrus.metrics"
local origins = require "cirrus.origins"
local resolver = require "cirrus.resolver"
local settings = require "cirrus.settings"
local sites = require "cirrus.sites"
local urls = require "cirrus.urls"

local var = ngx.var

local _M = {}

local MAX_ATTEMPTS = 4

local cooling = memo.new(1024) -- label of an origin, or "address:port" → until when

local function is_cooling(name)
  local till = cooling:get(name)
  return till ~= nil and till > ngx.now()
end

local function is_cooling_origin(origin)
  return is_cooling(origin.label)
end

-- An answer of our own, which must not start another attempt.
local function answer(status, sentence)
  ngx.status = status
  ngx.header["Content-Type"] = "text/plain; charset=utf-8"
  ngx.header["X-Accel-Expires"] = 0
  ngx.say(sentence)
  return ngx.exit(ngx.HTTP_OK)
end

local function is_ipv6(address)
  return address:find(":", 1, true) ~= nil
end

-- One of the addresses that has not been tried: rather one that has not failed lately, and rather of the other
-- family than the last one, since a machine without a way to IPv6 would try four of those and give up.
local function untried(addresses, port, tried)
  local start = math.random(#addresses)
  local last = var.cirrus_address
  local best, best_penalty
  for i = 0, #addresses - 1 do
    local address = addresses[(start + i - 1) % #addresses + 1]
    local name = address .. ":" .. port
    if not tried:find("," .. name .. ",", 1, true) then
      local penalty = (is_cooling(name) and 2 or 0) + (last ~= "" and is_ipv6(last) == is_ipv6(address) and 1 or 0)
      if not best or penalty < best_penalty then
        best, best_penalty = address, penalty
      end
    end
  end
  return best
end

-- The first origin in order with an address that has not been tried.
local function choose(site)
  local tried = var.cirrus_tried
  for index in var.cirrus_order:gmatch("%d+") do
    local origin = site.origins[tonumber(index)]
    local addresses, problem
    if origin then
      addresses, problem = resolver.addresses(origin.host)
    end
    if addresses then
      local address = untried(addresses, origin.port, tried)
      if address then
        return origin, address
      end
    elseif problem then
      ngx.log(ngx.ERR, "origin ", origin.label, " of ", site.host, ": ", problem)
      metrics.count("cirrus_origin_refused_total")
    end
  end
end

local function attempt(site, status)
  local origin, address = choose(site)
  if not origin then
    return answer(status, "No origin of this site can be reached.")
  end
  var.cirrus_tried = var.cirrus_tried .. address .. ":" .. origin.port .. ","
  var.cirrus_address = is_ipv6(address) and "[" .. address .. "]" or address
  var.cirrus_port = origin.port
  var.cirrus_connect_ms = origin.connect_timeout
  var.cirrus_read_ms = origin.read_timeout
  var.cirrus_origin = origin.label
  var.cirrus_host = origin.host_header ~= "" and origin.host_header or var.host
  var.cirrus_sni = origin.server_name
  if origin.scheme == "https" then
    return ngx.exec(origin.verify and "@tls" or "@tls_unverified")
  end
  -- Else the location's own proxy_pass goes on.
end

local function site_of_request()
  local site = sites.get(var.cirrus_site)
  if not site then
    return answer(ngx.HTTP_NOT_FOUND, "This host is no longer served here.")
  end
  return site
end

-- What the origin must not get: headers that are in no key although an answer may depend on them, and cookies where a
-- rule strips them.
local function clear_headers(site)
  if site.cache.guard and var.cirrus_unkeyed ~= "" then
    for _, name in ipairs(settings.get().unkeyed_headers) do
      ngx.req.clear_header(name)
    end
  end
  local act = sites.act(site, var.cirrus_rule)
  if act and act.strip_cookies then
    ngx.req.clear_header("Cookie")
  end
end

-- The first attempt.
function _M.first()
  local site = site_of_request()
  local path, query = urls.normalize(var.request_uri)
  var.cirrus_target = query and path .. "?" .. query or path
  clear_headers(site)
  var.cirrus_order = table.concat(origins.order(site.origins, is_cooling_origin, math.random), ",")
  return attempt(site, ngx.HTTP_BAD_GATEWAY)
end

-- location @next: nginx could not get an answer from the origin (502) or not in time (504).
function _M.next()
  local timed_out = (var.upstream_status or ""):match("(%d+)%s*$") == "504"
  metrics.count(timed_out and "nginx_upstream_timeouts_total" or "nginx_upstream_errors_total")
  local till = ngx.now() + origins.COOLING
  cooling:set(var.cirrus_origin, till)
  cooling:set(var.cirrus_tried:match("([^,]+),$"), till)
  local status = timed_out and ngx.HTTP_GATEWAY_TIMEOUT or ngx.HTTP_BAD_GATEWAY
  local connected = (var.upstream_connect_time or "-"):match("([^%s,:]+)%s*$") ~= "-"
  local _, attempts = var.cirrus_tried:gsub("[^,]+", "")
  if attempts >= MAX_ATTEMPTS or not origins.may_retry(ngx.req.get_method(), connected) then
    return answer(status, timed_out and "The origin did not answer in time." or "The origin failed.")
  end
  return attempt(site_of_request(), status)
end

return _M
