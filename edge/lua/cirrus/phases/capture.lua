-- body_filter_by_lua of the capture door: take a copy of a hit for this worker's memory.
local handover = require "cirrus.handover"
local hot = require "cirrus.hot"
local routing = require "cirrus.routing"
local sites = require "cirrus.sites"

return function()
  local ctx = ngx.ctx
  local capture = ctx.capture
  if not capture then
    capture = handover.capture
    if not capture then
      return
    end
    handover.capture = nil
    capture.parts = {}
    ctx.capture = capture
  end
  local parts = capture.parts
  if parts then
    parts[#parts + 1] = ngx.arg[1]
    if ngx.arg[2] then
      capture.body, capture.parts = table.concat(parts), nil
      local site = sites.find(ngx.var.host)
      if site then
        hot.hold(routing.entry(site, ngx.var.request_uri), capture)
      end
    end
  end
end
