-- The most frequent of many names in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, 2005).
--
--   local paths = sketch.new(64); sketch.add(paths, "/a", 3); sketch.top(paths, 10)  -->  { { "/a", 3 }, … }
--
-- Of N counted in all, a name that came more than N / size times is surely held; a count is never too small and
-- at most N / size too large. Until `size` different names have come, every count is exact.
local _M = {}

function _M.new(size)
  return { size = size, names = {}, counts = {}, place = {} }
end

local function least(counts)
  local found, lowest = 1, counts[1]
  for i = 2, #counts do
    if counts[i] < lowest then
      found, lowest = i, counts[i]
    end
  end
  return found
end

function _M.add(self, name, amount)
  local place, counts = self.place, self.counts
  local i = place[name]
  if not i then
    i = #counts + 1
    if i > self.size then
      i = least(counts)
      place[self.names[i]] = nil -- the newcomer takes over its count: never too small
    else
      counts[i] = 0
    end
    self.names[i], place[name] = name, i
  end
  counts[i] = counts[i] + amount
end

-- The `most` largest as { name, count }, largest first; equal ones by name.
function _M.top(self, most)
  local list = {}
  for i, name in ipairs(self.names) do
    list[i] = { name, self.counts[i] }
  end
  table.sort(list, function(a, b)
    return a[2] > b[2] or a[2] == b[2] and a[1] < b[1]
  end)
  for i = #list, most + 1, -1 do
    list[i] = nil
  end
  return list
end

return _M
