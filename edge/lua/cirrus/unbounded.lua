-- Headers and cookies that must not be in a cache key: they have a value of their own for nearly every client or
-- request, so nothing would ever be found again. The twin is domains/unbounded.py; a test compares the two.
--
--   unbounded.header("user-agent")  → true        unbounded.cookie("PHPSESSID")  → true
local _M = {}

-- Lower case. A star stands for any end.
_M.HEADERS = {
  "authorization", "proxy-authorization", "cookie", "set-cookie", "user-agent", "referer", "range", "if-*", "date",
  "forwarded", "x-forwarded-for", "x-forwarded-port", "x-real-ip", "x-client-ip", "true-client-ip",
  "cf-connecting-ip", "x-cluster-client-ip", "x-request-id", "x-correlation-id", "x-trace-id", "x-amzn-trace-id",
  "x-b3-*", "b3", "cf-ray", "request-id", "traceparent", "tracestate", "baggage", "content-length",
  "sec-websocket-key", "x-csrf-token", "x-api-key", "x-auth-token", "x-access-token", "idempotency-key",
}

-- Parts of the names of cookies that name a session or a person.
_M.COOKIE_PARTS = {
  "sess", "token", "csrf", "xsrf", "auth", "jwt", "login", "remember", "visitor", "uuid", "guid", "user_id", "userid",
  "client_id",
}
_M.COOKIE_STARTS = { "_ga", "_gid", "_fbp", "__cf" }
-- "sid", "connect.sid"
_M.COOKIE_ENDS = { "sid" }

-- name: in any case.
function _M.header(name)
  name = name:lower()
  for _, entry in ipairs(_M.HEADERS) do
    local start = entry:match("^(.*)%*$")
    if entry == name or (start and name:sub(1, #start) == start) then
      return true
    end
  end
  return false
end

local function has_one(list, fits)
  for _, entry in ipairs(list) do
    if fits(entry) then
      return true
    end
  end
  return false
end

function _M.cookie(name)
  name = name:lower()
  return has_one(_M.COOKIE_PARTS, function(part) return name:find(part, 1, true) ~= nil end)
    or has_one(_M.COOKIE_STARTS, function(start) return name:sub(1, #start) == start end)
    or has_one(_M.COOKIE_ENDS, function(ending) return name:sub(-#ending) == ending end)
end

return _M
