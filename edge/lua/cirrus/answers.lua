-- The answer that is being received from an origin: what a cache must know of it, read from nginx.
--
--   answers.judge(site, act)  -->  the result of freshness.of for this answer, and its Vary as one text
--   answers.single("Vary")    -->  a header that may stand in several lines, as one text
--
-- For header filters of requests that go to an origin.
local freshness = require "cirrus.freshness"
local guards = require "cirrus.guards"
local urls = require "cirrus.urls"

local var = ngx.var
local header = ngx.header

local _M = {}

function _M.single(name)
  local value = header[name]
  return type(value) == "table" and table.concat(value, ", ") or value
end
local single = _M.single

-- Of several Age fields the oldest counts; what one of them hides in a list is judged later.
function _M.age()
  local value = header["Age"]
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

function _M.judge(site, act)
  local path = urls.normalize(var.request_uri) -- as it is keyed: /account/x%2ecss is /account/x.css
  local vary = single("Vary")
  return freshness.of({
    status = ngx.status,
    cache_control = single("Cache-Control"),
    cdn_cache_control = single("CDN-Cache-Control"),
    surrogate_control = single("Surrogate-Control"),
    expires = single("Expires"),
    expires_at = time_of(header["Expires"]),
    date_at = time_of(header["Date"] or var.upstream_http_date),
    age = _M.age(),
    vary = vary,
    etag = single("ETag"),
    set_cookie = header["Set-Cookie"] ~= nil,
    cookie = var.http_cookie ~= nil,
    authorization = var.http_authorization ~= nil,
    validator = header["ETag"] ~= nil or header["Last-Modified"] ~= nil,
    mislabelled = guards.is_mislabelled(path, header["Content-Type"]),
    now = ngx.time(),
  }, site.cache, act), vary
end

return _M
