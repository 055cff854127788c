-- Host names as requests spell them, and the wildcards that cover them.
--
--   hosts.wildcards("a.b.example")  -->  { "*.b.example", "*.example" }, nearest first
local find, sub = string.find, string.sub

local _M = {}

-- A name longer than this is in no DNS (RFC 1035 section 2.3.4).
_M.MAX_LENGTH = 253

-- The wildcards that match `host`, nearest first. A wildcard stands for one label or more.
function _M.wildcards(host)
  local found, count = {}, 0
  local dot = find(host, ".", 1, true)
  while dot do
    count = count + 1
    found[count] = "*" .. sub(host, dot)
    dot = find(host, ".", dot + 1, true)
  end
  return found
end

return _M
