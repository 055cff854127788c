-- A file of the cache on disk, as nginx writes it: some binary, "\nKEY: {key}\n", the answer's headers, its body.
--
--   cache_file.headers("0~0.0|12|http://www.example.com/a")  -->  { ["x-cirrus-tags"] = "17", … }; {} without a file
--
-- Of an object with variants it is one of them. It reads from the disk: for what is asked once, not for each request.
local settings = require "cirrus.settings"

local _M = {}

-- Enough for the headers; what is longer is not looked at.
local MAX = 65536

function _M.path(key)
  local name = ngx.md5(key)
  return table.concat({ settings.get().cache.folder, name:sub(-1), name:sub(-3, -2), name }, "/")
end

-- The header fields by lower-case name; of repeated ones the first.
function _M.headers(key)
  local found = {}
  local file = io.open(_M.path(key), "rb")
  if not file then
    return found
  end
  local text = file:read(MAX) or ""
  file:close()
  local _, start = text:find("\nKEY: " .. key .. "\n", 1, true)
  local stop = start and text:find("\r\n\r\n", start, true)
  if stop then
    for name, value in text:sub(start + 1, stop + 1):gmatch("\r\n([^:\r\n]+):%s*([^\r\n]*)") do
      name = name:lower()
      found[name] = found[name] or value
    end
  end
  return found
end

return _M
