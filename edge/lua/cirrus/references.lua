-- Which URLs of this host an answer's Location and Content-Location mean (RFC 9110 section 10.2.2, RFC 3986 section 5).
--
--   references.path("www.example.com", "/a/b?x=1", "../c")                     -->  "/c"
--   references.path("www.example.com", "/a/b", "https://www.example.com/c?y")   -->  "/c?y"
--   references.path("www.example.com", "/a/b", "http://another.example/c")      -->  nil
--
-- The scheme is not compared: the same host over https is the same site here. Dot segments are left to cirrus.urls.
local _M = {}

-- host: of the request, lower-case, without port. base: its path and query. Returns path and query, or nil.
function _M.path(host, base, reference)
  if type(reference) ~= "string" or reference == "" then
    return nil
  end
  reference = reference:match("^[^#]*")
  local rest = reference:match("^[hH][tT][tT][pP][sS]?:(//.*)$")
  if not rest and reference:match("^%a[%w+.-]*:") then
    return nil
  end
  rest = rest or reference
  local authority, tail = rest:match("^//([^/?]*)(.*)$")
  if authority then
    local other = authority:match("@(.*)$") or authority
    if other:gsub(":%d*$", ""):lower() ~= host then
      return nil
    end
    return tail:sub(1, 1) == "/" and tail or "/" .. tail
  end
  if rest:sub(1, 1) == "/" then
    return rest
  end
  local path = base:match("^[^?]*")
  if rest:sub(1, 1) == "?" or rest == "" then
    return path .. rest
  end
  return path:match("^(.*/)") .. rest
end

return _M
