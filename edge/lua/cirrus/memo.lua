-- A bounded memory of one worker, made for being read: a look-up is one or two plain table reads.
--
--   local hosts = memo.new(4096); hosts:set("a.example", site); hosts:get("a.example")
--
-- When `size` new keys have been set, the older half is dropped; what is still asked for moves to the younger
-- half at its next look-up. So at most twice `size` keys are held, and busy ones stay.
local _M = {}
local mt = { __index = _M }

function _M.new(size)
  return setmetatable({ size = size, count = 0, young = {}, old = {} }, mt)
end

function _M:set(key, value)
  if self.young[key] == nil then
    if self.count >= self.size then
      self.old, self.young, self.count = self.young, {}, 0
    end
    self.count = self.count + 1
  end
  self.young[key] = value
end

function _M:get(key)
  local value = self.young[key]
  if value == nil then
    value = self.old[key]
    if value ~= nil then
      self:set(key, value)
    end
  end
  return value
end

return _M
