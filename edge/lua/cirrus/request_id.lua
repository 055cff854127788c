-- Identifiers of requests: 32 hex digits, never the same twice, made without a system call for each.
--
-- 24 digits are random and belong to the worker for a while; 8 come from a counter, scrambled (multiplied by
-- an odd number, so that none repeats) because a plain one would tell strangers how busy this edge is.
local bit = require "bit"

local tohex, bxor = bit.tohex, bit.bxor

local _M = {}

local RENEW = 2 ^ 19 -- the product below stays exact in a double
local FACTOR = 2654435761

local prefix, mask
local count = RENEW

local function random_hex(bytes)
  local file = assert(io.open("/dev/urandom", "rb"))
  local hex = file:read(bytes):gsub(".", function(byte)
    return string.format("%02x", byte:byte())
  end)
  file:close()
  return hex
end

function _M.next()
  if count >= RENEW then
    prefix, mask, count = random_hex(12), tonumber(random_hex(4), 16), 0
  end
  count = count + 1
  return prefix .. tohex(bxor(count * FACTOR, mask))
end

return _M
