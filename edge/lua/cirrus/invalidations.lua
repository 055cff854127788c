-- URLs of which unsafe requests (POST, PUT, DELETE …) have changed the content: what is cached of them is not used
-- again (RFC 9111 section 4.4). It concerns this edge alone; for all edges there is the purge.
--
--   invalidations.note("www.example.com", "/cart")      invalidations.load()    at the start, before the first request
--
-- The first invalidation of a path is also noted in a file, one line each: "{ms} {site} {path}". After a restart
-- everything in it is invalid once more, which is too much rather than too little.
local purges = require "cirrus.purges"
local settings = require "cirrus.settings"

local _M = {}

-- Nothing stays in a cache for longer (docs/edge.md), so older lines say nothing.
local SECONDS = 31 * 86400

function _M.note(site, path)
  if purges.invalidate(site, path) then
    local file, problem = io.open(settings.get().invalidations, "a")
    if file then
      file:write(string.format("%.0f %s %s\n", ngx.now() * 1000, site, path))
      file:close()
    else
      ngx.log(ngx.ERR, "could not note an invalidated URL: ", problem)
    end
  end
end

-- Read the file, and write it anew without what is old or stands there twice.
function _M.load()
  local path = settings.get().invalidations
  local oldest = (ngx.now() - SECONDS) * 1000
  local lines, seen = {}, {}
  local file = io.open(path, "r")
  for line in file and file:lines() or function() end do
    local at, site, target = line:match("^(%d+) (%S+) (%S+)$")
    if at and tonumber(at) > oldest and not seen[site .. " " .. target] then
      seen[site .. " " .. target] = true
      lines[#lines + 1] = line
      purges.invalidate(site, target)
    end
  end
  if file then
    file:close()
    local draft = io.open(path .. ".new", "w")
    if draft then
      draft:write(table.concat(lines, "\n"), #lines > 0 and "\n" or "")
      draft:close()
      os.rename(path .. ".new", path)
    end
  end
end

return _M
