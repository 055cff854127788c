-- What the cache must know of an answer's age, as the fetch tier notes it on the answer (X-Cirrus-Times): one header,
-- as each one costs every request that carries it.
--
--   times.write(at, fresh, usable, fill)  -->  "1764000000 1764000060 1764086400 17"
--   times.read("1764000000 1764000060 1764086400 17")  -->  1764000000, 1764000060, 1764086400, 17
--
-- at       when the origin made it           fresh    until when it is fresh; nil where it is not kept
-- usable   until when it may be served where the origin fails (all three are Unix times)
-- fill     the revision of the purge document that its request knew, 0 for none
local find, sub = string.find, string.sub

local _M = {}

_M.HEADER = "X-Cirrus-Times"

function _M.write(at, fresh, usable, fill)
  local text = string.format("%d %d %d %d", at, fresh or 0, usable or 0, fill or 0)
  return text
end

-- at is nil where the text is none of ours.
function _M.read(text)
  local first = text and find(text, " ", 1, true)
  local second = first and find(text, " ", first + 1, true)
  local third = second and find(text, " ", second + 1, true)
  if not third then
    return nil, nil, 0, 0
  end
  local fresh = tonumber(sub(text, first + 1, second - 1)) or 0
  return tonumber(sub(text, 1, first - 1)), fresh > 0 and fresh or nil,
    tonumber(sub(text, second + 1, third - 1)) or 0, tonumber(sub(text, third + 1)) or 0
end

return _M
