-- What a 304 (Not Modified) changes of the stored answer (RFC 9111 section 3.2), on its way to that answer.
--
--   updates.pack({ ["Cache-Control"] = "max-age=60", ETag = '"a"' })  -->  a text for a header
--   updates.apply(ngx.header, text)                                   sets what shall be set; false where it is damaged
local cjson = require "cjson.safe"

local _M = {}

-- These describe the stored content, the connection, or belong to this edge.
local LEFT_ALONE = {
  ["content-encoding"] = true, ["content-length"] = true, ["content-range"] = true, ["content-md5"] = true,
  ["etag"] = true, ["connection"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
  ["x-accel-expires"] = true, ["x-accel-buffering"] = true,
}

function _M.pack(headers)
  local kept = {}
  for name, value in pairs(headers) do
    local lower = name:lower()
    if not LEFT_ALONE[lower] and lower:sub(1, 9) ~= "x-cirrus-" then
      kept[#kept + 1] = { name, value }
    end
  end
  return ngx.encode_base64(cjson.encode(kept))
end

function _M.apply(header, text)
  local list = cjson.decode(ngx.decode_base64(text) or "")
  if not list then
    return false
  end
  for _, pair in ipairs(list) do
    header[pair[1]] = pair[2]
  end
  return true
end

return _M
