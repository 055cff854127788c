-- Which origin a request goes to: for the fetch tier and for what goes past the cache.
--
--   plan()   set_by_lua of the fetch tier: the first attempt, where that takes no waiting and nothing out of the
--            ordinary; "" (it is chosen), "slow": access_by_lua must do it, or "refresh": the cache has it, stale
--   plan_pass(site, entry, kind)   the same for the public server, in $cirrus_plan
--   first()   access_by_lua: the first attempt, whatever it takes
--   next()    access_by_lua of @next: nginx could not get an answer from the origin, so ask the next one
--
-- The state of a request is kept in nginx variables, since ngx.ctx does not survive the internal redirects:
--   $cirrus_attempt      the attempt (cirrus.attempts)      $cirrus_tried   ",address:port,address:port,"
--   $cirrus_host_header, $cirrus_sni   Host header ("": the client's) and TLS server name of the attempt
--   $cirrus_target   the normalized path and query: what is keyed is what is asked for
local attempts = require "cirrus.attempts"
local hops = require "cirrus.hops"
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
local unreachable = memo.new(1024) -- label of an origin that did not even take a connection in time → until when

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
  if var.http_x_cirrus_hop and var.cirrus_door == "fetch" then
    ngx.header["X-Cirrus-Failure"] = sentence -- so that nobody asks once more
  end
  ngx.say(sentence)
  return ngx.exit(ngx.HTTP_OK)
end

local function is_ipv6(address)
  return address:find(":", 1, true) ~= nil
end

-- One of the addresses that has not been tried: rather one that has not failed lately, and rather of the other
-- family than the last one, since a machine without a way to IPv6 would try four of those and give up.
local function untried(addresses, port, tried, last)
  local start = math.random(#addresses)
  local best, best_penalty
  for i = 0, #addresses - 1 do
    local address = addresses[(start + i - 1) % #addresses + 1]
    local name = address .. ":" .. port
    if not tried:find("," .. name .. ",", 1, true) then
      local penalty = (is_cooling(name) and 2 or 0) + (last and is_ipv6(last) == is_ipv6(address) and 1 or 0)
      if not best or penalty < best_penalty then
        best, best_penalty = address, penalty
      end
    end
  end
  return best
end

-- The first origin in order with an address that has not been tried.
local function choose(site, tried, last)
  for _, index in ipairs(origins.order(site.origins, is_cooling_origin, math.random)) do
    local origin = site.origins[index]
    local addresses, problem = resolver.addresses(origin.host)
    if addresses then
      local address = untried(addresses, origin.port, tried, last)
      if address then
        return origin, address
      end
    else
      ngx.log(ngx.ERR, "origin ", origin.label, " of ", site.host, ": ", problem)
      metrics.count("cirrus_origin_refused_total")
    end
  end
end

local function take(origin, address)
  var.cirrus_attempt = attempts.name(origin, address)
  var.cirrus_origin = origin.label
  if origin.host_header ~= "" then
    var.cirrus_host_header = origin.host_header
  end
end

local function has(list, name)
  for i = 1, #list do
    if list[i] == name then
      return true
    end
  end
  return false
end

-- May the origin get headers that are in no key although an answer may depend on them? Where the domain has no guard
-- all of them, and those that the rule makes part of the key.
local function is_open(site, act)
  if site.cache.guard == false then
    return true
  end
  local names = act and act.key_headers
  if not names then
    return false
  end
  for _, name in ipairs(names) do
    if has(settings.get().unkeyed_headers, name) then
      return true
    end
  end
  return false
end

-- Where nginx drops none of those headers, take off those that are not part of the key after all.
local function clear_unkeyed(site, act)
  if site.cache.guard ~= false then
    for _, name in ipairs(settings.get().unkeyed_headers) do
      if not has(act.key_headers, name) then
        ngx.req.clear_header(name)
      end
    end
  end
end

local function attempt(site, act, status, tried, last)
  local origin, address = choose(site, tried, last)
  if not origin then
    return answer(status, "No origin of this site can be reached.")
  end
  var.cirrus_host_header = ""
  take(origin, address)
  local open = is_open(site, act)
  if open then
    clear_unkeyed(site, act)
  end
  if origin.scheme == "https" then
    var.cirrus_sni = origin.server_name
    return ngx.exec((open and "@open_tls" or "@tls") .. (origin.verify and "" or "_unverified"))
  elseif open then
    return ngx.exec("@open_plain")
  end
  -- Else the location's own proxy_pass goes on.
end

-- What else the origin must not get: what the client's Connection names, and cookies where a rule strips them.
local function clear_headers(act)
  if var.cirrus_hops ~= "" then
    for _, name in ipairs(hops.listed(var.http_connection)) do
      ngx.req.clear_header(name)
    end
  end
  if act and act.strip_cookies then
    ngx.req.clear_header("Cookie")
  end
end

-- is_normal: is the request target spelled as it is keyed? Else it must be spelled anew.
local function plan(site, act, is_normal)
  local origin = site and is_normal and #site.origins == 1 and site.origins[1]
  if not origin or origin.scheme ~= "http" then
    return "slow"
  end
  local address = resolver.only_address(origin.host)
  if not address or (act and act.strip_cookies) or is_open(site, act) then
    return "slow"
  end
  take(origin, address)
  return ""
end

-- kind: $cirrus_kind, which is "" where the client's Connection names headers.
function _M.plan_pass(site, entry, kind)
  if (kind == "" and var.cirrus_hops ~= "") or plan(site, entry.act, entry.is_normal) == "slow" then
    var.cirrus_plan = "slow"
  end
end

-- RFC 9111 section 5.2.1.7: the client wants what is in a cache, or nothing.
local function wants_cached_alone()
  local wishes = var.http_cache_control
  return wishes and wishes:lower():find("only-if-cached", 1, true) and var.http_x_cirrus_cached ~= "BYPASS"
end

-- Has no origin just taken a connection in time, while the cache has something that might do? Then nobody shall wait
-- for them in vain: where it does not do after all, the question comes back without X-Cirrus-Cached (phases/kept). One
-- that hangs up, or is slow at one URL, is asked all the same.
local function may_spare_origins(site)
  if var.http_x_cirrus_cached ~= "EXPIRED" then
    return false
  end
  for _, origin in ipairs(site.origins) do
    if (unreachable:get(origin.label) or 0) <= ngx.now() then
      return false
    end
  end
  return true
end

-- For the fetch tier.
function _M.plan()
  if var.http_x_cirrus_cached == "EXPIRED" then
    return var.http_x_cirrus_hop and "slow" or "refresh"
  elseif wants_cached_alone() then
    return "slow"
  end
  local site = sites.find(var.host)
  return plan(site, site and site.acts and sites.act(site, var.cirrus_rule), urls.is_normal(var.request_uri))
end

function _M.first()
  local site = sites.find(var.host)
  if not site then
    return answer(ngx.HTTP_NOT_FOUND, "This host is no longer served here.")
  end
  if var.cirrus_door == "fetch" then
    if wants_cached_alone() then
      return answer(ngx.HTTP_GATEWAY_TIMEOUT, "This is not in the cache, and nothing else was asked for.")
    elseif may_spare_origins(site) then
      return ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
    end
  end
  local path, query = urls.normalize(var.request_uri)
  var.cirrus_target = query and path .. "?" .. query or path
  local act = sites.act(site, var.cirrus_rule)
  clear_headers(act)
  return attempt(site, act, ngx.HTTP_BAD_GATEWAY, ",", nil)
end

-- nginx could not get an answer from the origin (502) or not in time (504).
function _M.next()
  local timed_out = (var.upstream_status or ""):match("(%d+)%s*$") == "504"
  metrics.count(timed_out and "nginx_upstream_timeouts_total" or "nginx_upstream_errors_total")
  if var.cirrus_attempt == "" then
    return answer(ngx.HTTP_BAD_GATEWAY, "This edge could not ask itself.")
  end
  local failed = attempts.read(var.cirrus_attempt)
  local till = ngx.now() + origins.COOLING
  cooling:set(failed.origin, till)
  cooling:set(failed.peer, till)
  local tried = (var.cirrus_tried ~= "" and var.cirrus_tried or ",") .. failed.peer .. ","
  var.cirrus_tried = tried
  local status = timed_out and ngx.HTTP_GATEWAY_TIMEOUT or ngx.HTTP_BAD_GATEWAY
  local connected = (var.upstream_connect_time or "-"):match("([^%s,:]+)%s*$") ~= "-"
  if timed_out and not connected then
    unreachable:set(failed.origin, till)
  end
  local _, count = tried:gsub("[^,]+", "")
  local site = sites.find(var.host)
  if not site or count >= MAX_ATTEMPTS or not origins.may_retry(ngx.req.get_method(), connected) then
    return answer(status, timed_out and "The origin did not answer in time." or "The origin failed.")
  end
  if var.cirrus_target == "" then
    var.cirrus_target = var.request_uri -- it is normal, or first() would have set it
  end
  return attempt(site, sites.act(site, var.cirrus_rule), status, tried, failed.address)
end

return _M
