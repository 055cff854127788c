-- Small files that are read and written as a whole.
--
--   files.read("/…/generation")              -->  "m3k1x8\n"; "" where there is none
--   files.write("/…/contact", text)          in one step: nobody ever reads half of it
--   files.keep("/…/generation", text)        the same, and it is still there after a power failure
--   files.append("/…/invalidations", line)   the same for one more line
--
-- Each that writes returns true, or nil after a line in the error log: a full disk does not stop an edge.
local platform = require "cirrus.platform"

local _M = {}

function _M.read(path)
  local file = io.open(path, "r")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text or ""
end

local function failed(path, problem)
  ngx.log(ngx.ERR, "could not write ", path, ": ", tostring(problem or "the disk may be full"))
end

-- Write text to an open file and close it.
local function finish(file, text, lasting)
  local done = file:write(text) and file:flush() and (not lasting or platform.sync(file))
  return file:close() and done
end

local function replace(path, text, lasting)
  local draft = path .. ".new"
  local file, problem = io.open(draft, "w")
  if file and finish(file, text, lasting) and os.rename(draft, path) then
    return true
  end
  failed(path, problem)
end

function _M.write(path, text)
  return replace(path, text, false)
end

function _M.keep(path, text)
  local done = replace(path, text, true)
  local folder = done and io.open(path:match("^(.*)/"), "r") -- its new name is an entry of the folder
  if folder then
    platform.sync(folder)
    folder:close()
  end
  return done
end

function _M.append(path, line)
  local file, problem = io.open(path, "a")
  if file and finish(file, line, true) then
    return true
  end
  failed(path, problem)
end

return _M
