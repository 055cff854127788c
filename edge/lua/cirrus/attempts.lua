-- One attempt at an origin: what the balancer must know of it, under a name that fits into an nginx variable.
--
--   attempts.name(origin, "192.0.2.7")  -->  "http://origin.example:80|192.0.2.7|80|1000|15000"
--   attempts.read(name)                 -->  { origin = "http://origin.example:80", address = "192.0.2.7", port = 80,
--                                              connect = 1, read = 15 }         times in seconds
--
-- Variables are what survives nginx's internal redirects, and one of them is cheaper than five.
local memo = require "cirrus.memo"

local _M = {}

local parsed = memo.new(1024)

function _M.name(origin, address)
  local names = origin.attempts
  if not names then
    names = memo.new(16)
    origin.attempts = names
  end
  local name = names:get(address)
  if not name then
    name = table.concat({
      origin.label, address:find(":", 1, true) and "[" .. address .. "]" or address, origin.port,
      origin.connect_timeout, origin.read_timeout,
    }, "|")
    names:set(address, name)
  end
  return name
end

function _M.read(name)
  local attempt = parsed:get(name)
  if not attempt then
    local origin, address, port, connect, read = name:match("^([^|]+)|([^|]+)|(%d+)|(%d+)|(%d+)$")
    attempt = {
      origin = origin, address = address, port = tonumber(port), connect = connect / 1000, read = read / 1000,
      -- As the cooling list and the list of what has been tried name it.
      peer = (address:match("^%[(.+)%]$") or address) .. ":" .. port,
    }
    parsed:set(name, attempt)
  end
  return attempt
end

return _M
