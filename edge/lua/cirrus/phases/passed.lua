-- What goes past the cache: the public server has asked the origin itself.
--
--   headers()   header_filter_by_lua: what is for one connection alone goes; what an unsafe request changes is noted
--   log()       log_by_lua: the request, and how long the origin took
local hops = require "cirrus.hops"
local invalidations = require "cirrus.invalidations"
local log = require "cirrus.phases.log"
local references = require "cirrus.references"
local routing = require "cirrus.routing"
local sites = require "cirrus.sites"
local urls = require "cirrus.urls"

local var = ngx.var
local header = ngx.header
local get_method = ngx.req.get_method

local _M = {}

local SAFE = { GET = true, HEAD = true, OPTIONS = true, TRACE = true }

-- An unsafe request has changed its URL, and perhaps what its answer points at (RFC 9111 section 4.4).
local function invalidate(site, changed)
  invalidations.note(site, changed)
  for _, name in ipairs({ "Location", "Content-Location" }) do
    local target = references.path(var.host, var.request_uri, header[name])
    if target then
      local path = urls.normalize(target)
      if path ~= changed then
        invalidations.note(site, path)
      end
    end
  end
end

function _M.headers()
  local status = ngx.status
  if hops.is_interim(status) then
    hops.report_interim(status, var.cirrus_origin)
    return ngx.exit(ngx.ERROR)
  end
  local connection = var.upstream_http_connection
  if connection then
    hops.strip(header, connection)
  end
  if not SAFE[get_method()] and status >= 200 and status < 400 then
    local site = sites.find(var.host)
    if site then
      invalidate(site, routing.entry(site, var.request_uri).path)
    end
  end
end

function _M.log()
  local site = var.cirrus_site
  log.origin(site, var.upstream_response_time)
  log.request(site, var.cirrus_x_passed)
  log.leave()
end

return _M
