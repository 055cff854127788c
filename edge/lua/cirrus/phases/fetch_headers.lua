-- header_filter_by_lua of the fetch tier: tell the cache tier what it may do with this answer.
--
-- X-Accel-Expires is the lifetime. Cache-Control becomes a note for nginx alone, with the windows in which a
-- stale answer may be served; what the client shall see travels as X-Cirrus-Cache-Control. X-Cirrus-At is
-- the Unix time at which the origin made the answer. The cache tier strips all of it again.
local freshness = require "cirrus.freshness"
local guards = require "cirrus.guards"
local sites = require "cirrus.sites"

local var = ngx.var
local header = ngx.header

local function joined(value)
  return type(value) == "table" and table.concat(value, ", ") or value
end

-- Of several Age fields the oldest counts; what one of them hides in a list is judged later.
local function oldest(value)
  if type(value) ~= "table" then
    return value
  end
  local worst = value[1]
  for _, age in ipairs(value) do
    if not freshness.seconds(age) or freshness.seconds(age) > (freshness.seconds(worst) or 0) then
      worst = age
    end
  end
  return worst
end

local function time_of(value)
  value = type(value) == "table" and value[1] or value
  return value and ngx.parse_http_time(value)
end

-- Server-sent events come one by one over minutes.
local function is_stream(content_type)
  return type(content_type) == "string" and content_type:sub(1, 17):lower() == "text/event-stream"
end

return function()
  local site = sites.get(var.http_x_cirrus_site or "")
  if not site or var.cirrus_address == "" then
    return
  end
  local cache_control = joined(header["Cache-Control"])
  local vary = header["Vary"]
  if type(vary) == "table" then
    vary = joined(vary)
    header["Vary"] = vary -- of several lines nginx keys by the last one alone
  end
  local age = oldest(header["Age"])
  local path = var.request_uri:match("^[^?]*")
  local fresh = freshness.of({
    status = ngx.status,
    cache_control = cache_control,
    cdn_cache_control = joined(header["CDN-Cache-Control"]),
    surrogate_control = joined(header["Surrogate-Control"]),
    expires = joined(header["Expires"]),
    expires_at = time_of(header["Expires"]),
    date_at = time_of(var.upstream_http_date),
    age = age,
    vary = vary,
    set_cookie = header["Set-Cookie"] ~= nil,
    authorization = var.http_authorization ~= nil,
    validator = header["ETag"] ~= nil or header["Last-Modified"] ~= nil,
    mislabelled = guards.is_mislabelled(path, header["Content-Type"]),
    now = ngx.time(),
  }, site.cache)
  -- In this order: nginx reads the windows only where it meets them before the lifetime.
  header["Cache-Control"] = fresh.store and string.format(
    "stale-while-revalidate=%d, stale-if-error=%d", fresh.stale_update, fresh.stale_error) or nil
  header["X-Accel-Expires"] = freshness.accel_expires(fresh, ngx.time())
  header["X-Cirrus-Cache-Control"] = cache_control
  header["X-Cirrus-At"] = ngx.time() - (freshness.seconds(age) or 0)
  header["Age"] = nil
  if is_stream(header["Content-Type"]) then
    header["X-Accel-Buffering"] = "no" -- each event at once
  end
end
