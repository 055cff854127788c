-- The access log is cut when it has grown: access.log → access.log.1 → access.log.2 → …, the oldest is deleted.
--
-- Until the master has told all workers to open the file anew (SIGUSR1), they write on into the renamed one, and each
-- empties its buffer into it first: no line is lost. A log that is no file (/dev/stdout) is left alone.
local metrics = require "cirrus.metrics"
local platform = require "cirrus.platform"
local settings = require "cirrus.settings"

local state = ngx.shared.cirrus_state

local _M = {}

local SETTLING = 10 -- seconds within which a second worker 0 (at a reload) may not rotate again

local function size_of(path)
  local file = io.open(path, "r")
  if not file then
    return 0
  end
  local size = file:seek("end")
  file:close()
  return size or 0
end

-- Rename the old ones upwards, then the log itself. `keep`: how many old ones stay.
local function shift(path, keep)
  os.remove(path .. "." .. keep)
  for i = keep - 1, 1, -1 do
    os.rename(path .. "." .. i, path .. "." .. i + 1)
  end
  return os.rename(path, path .. ".1")
end

local function rotate(log)
  if not platform.may_signal_master() then
    return nil, "this worker may not signal the master process"
  end
  local done, problem = shift(log.path, log.keep)
  if not done then
    return nil, problem
  end
  platform.reopen_logs()
  metrics.count("cirrus_log_rotations_total")
  return true
end

-- Rotate if it is time to.
function _M.look()
  local log = settings.get().access_log
  if log.size == 0 or log.path:sub(1, 5) == "/dev/" or size_of(log.path) < log.size then
    return
  end
  if not state:safe_add("rotating", true, SETTLING) then
    return
  end
  local done, problem = rotate(log)
  problem = not done and "the access log cannot be rotated: " .. problem or ""
  if problem ~= "" and state:get("log_problem") ~= problem then
    ngx.log(ngx.ERR, problem)
  end
  state:set("log_problem", problem)
end

return _M
