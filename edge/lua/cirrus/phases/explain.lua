-- content_by_lua of GET /__cirrus/explain on the status port: why does this edge answer a URL as it does?
--
--   ?url=http://www.example.com/a%3Fx=1      and, where the rules ask for them: method, address, country,
--   header=Name:value (as often as needed); to ask about an answer's lifetime: status, answer=Name:value
-- Answers JSON. Nothing is fetched and nothing is changed.
local beacon = require "cirrus.beacon"
local cjson = require "cjson.safe"
local cookies = require "cirrus.cookies"
local devices = require "cirrus.devices"
local explanation = require "cirrus.explanation"

local function say(status, body)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Cache-Control"] = "no-store"
  return ngx.say(cjson.encode(body))
end

-- "Name:value" lines as a table by lower-case name; of repeated ones the values are joined.
local function fields(lines)
  local map = {}
  for _, line in ipairs(type(lines) == "table" and lines or { lines }) do
    local name, value = tostring(line):match("^%s*([^:%s]+)%s*:%s*(.-)%s*$")
    if name then
      name = name:lower()
      map[name] = map[name] and map[name] .. ", " .. value or value
    end
  end
  return map
end

return function()
  local args = ngx.req.get_uri_args(100)
  local scheme, host, target = tostring(args.url or ""):match("^(https?)://([^/:?#]+)[:%d]*(.*)$")
  if not host then
    return say(400, { problem = "url must be a whole URL, as in ?url=http://www.example.com/a" })
  end
  if beacon.numbers()[beacon.MODE] == beacon.LOADING then
    return say(503, { problem = "This edge has no configuration yet." })
  end
  local headers = fields(args.header)
  local result = explanation.of(scheme, host:lower(), target == "" and "/" or target, {
    method = tostring(args.method or "GET"),
    header = function(name) return headers[name] end,
    cookie = function(name) return (cookies.find(headers.cookie, name)) end,
    address = type(args.address) == "string" and args.address or "127.0.0.1",
    country = type(args.country) == "string" and args.country or "",
    user_agent = headers["user-agent"],
    device = devices.of(headers["user-agent"]),
    headers = headers,
  }, { status = tonumber(args.status) or 200, headers = fields(args.answer) })
  if not result then
    return say(404, { problem = host .. " is served by no domain on this edge." })
  end
  return say(200, result)
end
