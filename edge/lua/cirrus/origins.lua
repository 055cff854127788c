-- Which origin to ask, and in which order when one fails.
--
--   origins.order(site.origins, cooling, random)  -->  { 2, 1, 3 }: indices, the first to ask first
--
-- An origin that has just failed is cooling: it is asked after those that have not, so that a dead
-- one costs its timeout once in a while and not at every miss.
local _M = {}

-- Seconds that an origin stays behind the others after a failure.
_M.COOLING = 5

-- A weighted shuffle: the chance to stand first is in proportion to the weight, and so on for the rest.
local function shuffle(indices, all, random)
  local total = 0
  for _, index in ipairs(indices) do
    total = total + all[index].weight
  end
  for position = 1, #indices - 1 do
    local mark = random() * total
    local pick = position
    while pick < #indices and mark >= all[indices[pick]].weight do
      mark = mark - all[indices[pick]].weight
      pick = pick + 1
    end
    indices[position], indices[pick] = indices[pick], indices[position]
    total = total - all[indices[position]].weight
  end
  return indices
end

-- all: the origins of a document; cooling(origin) → is it cooling?; random() → [0, 1).
function _M.order(all, cooling, random)
  if #all == 1 then
    return { 1 }
  end
  local groups = { {}, {}, {}, {} } -- in the order in which they are asked
  for index, origin in ipairs(all) do
    local group = (cooling(origin) and 3 or 1) + (origin.backup and 1 or 0)
    groups[group][#groups[group] + 1] = index
  end
  local order = {}
  for _, group in ipairs(groups) do
    for _, index in ipairs(shuffle(group, all, random)) do
      order[#order + 1] = index
    end
  end
  return order
end

-- May a request be sent a second time? Not one that may change something and has been sent already
-- (RFC 9110 section 9.2.2).
local IDEMPOTENT = { GET = true, HEAD = true, OPTIONS = true, TRACE = true, PUT = true, DELETE = true }

function _M.may_retry(method, was_connected)
  return IDEMPOTENT[method] or not was_connected
end

return _M
