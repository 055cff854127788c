-- The settings of this edge, as `manage.py run_edge` wrote them (settings.json, readable by its owner).
--
--   settings.load("/…/settings.json"); settings.get().node  -->  "edge-1"
local cjson = require "cjson.safe"

local _M = {}

local current

function _M.load(path)
  local file = assert(io.open(path, "r"))
  local text = file:read("*a")
  file:close()
  current = assert(cjson.decode(text))
end

function _M.get()
  return current
end

return _M
