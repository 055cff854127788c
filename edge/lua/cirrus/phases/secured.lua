-- header_filter_by_lua of the public server that speaks https: as that of http, and HSTS (RFC 6797), which takes the
-- place of what the origin says of it.
--
--   headers()   of what the cache answers, or this edge itself      passed()   of what goes past the cache
local headers = require "cirrus.phases.headers"
local passed = require("cirrus.phases.passed").headers

local var = ngx.var
local header = ngx.header

local _M = {}

-- Last, so that memory does not take it for a part of the object.
local function add_hsts()
  local value = var.cirrus_hsts
  if value ~= "" then
    header["Strict-Transport-Security"] = value
  end
end

function _M.headers()
  headers("https")
  add_hsts()
end

function _M.passed()
  passed()
  add_hsts()
end

return _M
