-- How much room the cache's file system has left: looked at by a timer, told by /healthz.
--
--   disk.look();  disk.free()  -->  17179869184, or nil and why it is not known
local platform = require "cirrus.platform"
local settings = require "cirrus.settings"

local state = ngx.shared.cirrus_state

local _M = {}

function _M.look()
  local bytes, problem = platform.free_bytes(settings.get().cache.folder)
  state:set("disk_free", bytes or -1)
  state:set("disk_problem", problem or "")
end

function _M.free()
  local bytes = state:get("disk_free")
  if not bytes or bytes < 0 then
    return nil, state:get("disk_problem")
  end
  return bytes
end

return _M
