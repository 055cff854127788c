-- The keys with which this edge opens what the control plane has sealed for edges (accounts/sealing.py).
--
--   keyring.load(9)                                     from descriptor 9: a file in memory (edge/memory_file.py)
--   keyring.open("main:3q2-7w…", "certificate:9927…")   --> a pointer to the secret, and its length; wipe it after use
--                                                       --> nil, and why not
--   keyring.ids()                                       --> { "2027", "main" }, the newest first
local base64 = require "ngx.base64"
local cjson = require "cjson.safe"
local ffi = require "ffi"
local openssl = require "cirrus.tls.openssl"

local _M = {}

local NONCE = 12

local keys, ids, given = {}, {}, {}

-- In the master, at the start and at each reload.
function _M.load(descriptor)
  keys, ids, given = {}, {}, {}
  local file = descriptor and io.open("/proc/self/fd/" .. descriptor, "r")
  if not file then
    return
  end
  given = cjson.decode(file:read("*a")) or {}
  file:close()
  for _, pair in ipairs(given.keys or {}) do
    local key = ffi.new("unsigned char[32]")
    ffi.copy(key, ngx.decode_base64(pair[2]), 32)
    keys[pair[1]] = key
    ids[#ids + 1] = pair[1]
  end
  given.keys = nil
end

-- The certificate for unknown names, { chain = PEM, key = base64 of DER }, where this edge is to have one.
function _M.placeholder()
  local placeholder = given.placeholder
  return placeholder ~= cjson.null and placeholder or nil
end

function _M.ids()
  return ids
end

function _M.open(text, record)
  local id, encoded = text:match("^([^:]+):(.+)$")
  local key = keys[id or ""]
  if not key then
    return nil, "it is sealed with the key “" .. tostring(id) .. "”, which this edge has not (CIRRUS_EDGE_KEYS)"
  end
  local bytes = base64.decode_base64url((encoded:gsub("=+$", "")))
  if not bytes or #bytes <= NONCE then
    return nil, "it is not base64 of a nonce and more"
  end
  local secret, length = openssl.open(key, bytes:sub(1, NONCE), bytes:sub(NONCE + 1), record)
  if not secret then
    return nil, "the key “" .. id .. "” does not open it for " .. record
  end
  return secret, length
end

return _M
