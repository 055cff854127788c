-- How long an answer may be served from the cache (RFC 9111), as nginx will be told it.
--
--   freshness.of({ status = 200, cache_control = "max-age=60, stale-if-error=600", now = … }, cache)
--     -->  { ttl = 60, stale_error = 600, stale_update = 0, age = 0 }
--
-- Takes plain values and returns seconds. `cache` is the `cache` object of a domain's document.
local memo = require "cirrus.memo"

local floor, max, min = math.floor, math.max, math.min

local _M = {}

local parsed = memo.new(512) -- origins say the same few things again and again

-- Statuses that may be cached without explicit freshness (RFC 9110 section 15.1), without 206.
local HEURISTIC = {
  [200] = true, [203] = true, [204] = true, [300] = true, [301] = true, [308] = true,
  [404] = true, [405] = true, [410] = true, [414] = true, [501] = true,
}
-- Statuses that an explicit lifetime makes cacheable as well.
local EXPLICIT = { [302] = true, [303] = true, [307] = true }
local NEGATIVE = { [404] = true, [410] = true }

-- Served while the origin fails, where the origin does not forbid it: a day.
_M.STALE_ON_ERROR = 86400
-- Served while one request fetches anew, where the origin does not say: ten seconds.
_M.STALE_WHILE_UPDATING = 10

-- The directives of a Cache-Control field (RFC 9111 section 5.2) by lower-case name. A directive
-- without an argument is `true`; of one that stands twice the stricter (first) one counts.
local function parse(field)
  local found = {}
  -- Commas inside quoted strings separate nothing: private="a, b" is one directive.
  local plain = field:gsub('"[^"]*"', function(quoted)
    return (quoted:gsub(",", " "))
  end)
  for part in plain:gmatch("[^,]+") do
    local name, value = part:match('^%s*([%w%-]+)%s*=%s*"?([^"]*)"?%s*$')
    if not name then
      name, value = part:match("^%s*([%w%-]+)%s*$"), true
    end
    if name then
      name = name:lower()
      if found[name] == nil then
        found[name] = value
      end
    end
  end
  return found
end

function _M.directives(field)
  local found = parsed:get(field or "")
  if not found then
    found = parse(field or "")
    parsed:set(field or "", found)
  end
  return found
end

-- A number of seconds (RFC 9111 section 1.2.2), or nil where the text is none.
function _M.seconds(value)
  local digits = type(value) == "string" and value:match("^(%d+)%s*$")
  return digits and min(tonumber(digits), 2147483648) or nil
end
local seconds = _M.seconds

-- The explicit lifetime, or nil where the origin gives none. What it says badly is stale already.
local function explicit_lifetime(answer, directives)
  for _, name in ipairs({ "s-maxage", "max-age" }) do
    if directives[name] then
      return seconds(directives[name]) or 0
    end
  end
  if answer.expires then
    if not answer.expires_at then
      return 0
    end
    return max(0, answer.expires_at - (answer.date_at or answer.now))
  end
end

local function forbidden(answer, directives)
  if directives["no-store"] or directives["private"] or directives["no-cache"] then
    return true
  end
  if answer.set_cookie or (answer.vary and answer.vary:find("*", 1, true)) then
    return true
  end
  -- RFC 9111 section 3.5: an answer to a request with credentials is somebody's own.
  return answer.authorization
    and not (directives["public"] or directives["s-maxage"] or directives["must-revalidate"])
end

local NOT_STORED = { ttl = 0, stale_error = 0, stale_update = 0 }

-- answer: status, cache_control, expires (text), expires_at and date_at (Unix times or nil), age
-- (text), vary, set_cookie and authorization (booleans), now (Unix time).
-- Returns ttl, stale_error and stale_update in seconds; a ttl of 0 means: do not store.
function _M.of(answer, cache)
  local directives = _M.directives(answer.cache_control)
  if forbidden(answer, directives) then
    return NOT_STORED
  end
  local lifetime = explicit_lifetime(answer, directives)
  if not lifetime then
    if not HEURISTIC[answer.status] then
      return NOT_STORED
    end
    lifetime = NEGATIVE[answer.status] and cache.negative_ttl or cache.default_ttl
  elseif not HEURISTIC[answer.status] and not EXPLICIT[answer.status] then
    return NOT_STORED
  end
  local ttl = floor(min(lifetime, cache.max_ttl) - (seconds(answer.age) or 0))
  if ttl <= 0 then
    return NOT_STORED
  end
  if directives["must-revalidate"] or directives["proxy-revalidate"] then
    return { ttl = ttl, stale_error = 0, stale_update = 0 }
  end
  -- s-maxage means proxy-revalidate too (section 5.2.2.10), unless the origin grants a window (RFC 5861).
  local granted = not directives["s-maxage"]
  return {
    ttl = ttl,
    stale_error = seconds(directives["stale-if-error"]) or (granted and _M.STALE_ON_ERROR or 0),
    stale_update = seconds(directives["stale-while-revalidate"]) or (granted and _M.STALE_WHILE_UPDATING or 0),
  }
end

return _M
