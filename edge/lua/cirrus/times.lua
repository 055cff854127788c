-- What the cache must know of an answer's age, as the fetch tier notes it on the answer (X-Cirrus-Times): one header,
-- as each one costs every request that carries it.
--
--   times.write(at, fresh, usable, fill)  -->  "1764000000 1764000060 1764086400 17"
--   times.read("1764000000 1764000060 1764086400 17")  -->  1764000000, 1764000060, 1764086400, 17
--
-- at       when the origin made it           fresh    until when it is fresh; nil where it is not kept
-- usable   until when it may be served where the origin fails (all three are Unix times)
-- fill     the revision of the purge document that its request knew, 0 for none
local _M = {}

_M.HEADER = "X-Cirrus-Times"

function _M.write(at, fresh, usable, fill)
  return string.format("%d %d %d %d", at, fresh or 0, usable or 0, fill or 0)
end

-- at is nil where the text is none of ours.
function _M.read(text)
  local at, fresh, usable, fill = (text or ""):match("^(%d+) (%d+) (%d+) (%d+)$")
  fresh = tonumber(fresh) or 0
  return tonumber(at), fresh > 0 and fresh or nil, tonumber(usable) or 0, tonumber(fill) or 0
end

return _M
