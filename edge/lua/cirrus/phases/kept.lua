-- The cache has an object that is stale, and its origin has been asked: it says "not modified", or it fails. Then the
-- answer is made of what the cache has kept.
--
-- nginx itself would leave the stored headers as they are after a 304, and serve stale after a 503 whatever the origin
-- has forbidden. So the fetch tier reads the stored answer out of the cache (the server kept.cirrus.invalid), and sends
-- it to the cache tier as a new answer, or as one that is not stored.
--   $cirrus_outcome  the status of the origin's answer      $cirrus_update   what a 304 changes (cirrus.updates)
--   $cirrus_failure  our own sentence, where no origin could be asked
--   $cirrus_kept     for the cache tier: revalidated, stale
local labels = require "cirrus.labels"
local sites = require "cirrus.sites"
local times = require "cirrus.times"
local updates = require "cirrus.updates"

local var = ngx.var
local header = ngx.header

local _M = {}

-- access_by_lua of @kept.
function _M.look()
  var.cirrus_outcome = (var.upstream_status or ""):match("(%d+)%s*$") or "502"
  var.cirrus_update = var.upstream_http_x_cirrus_update or ""
  var.cirrus_failure = var.upstream_http_x_cirrus_failure or ""
  if var.cirrus_outcome == "304" and var.cirrus_update == "" then
    return ngx.exec("@again")
  end
end

-- header_filter_by_lua of the server kept.cirrus.invalid: may what the cache has be used? Else 412.
function _M.judge()
  local usable
  if var.http_x_cirrus_outcome == "304" then
    -- The origin's 304 is about the validators that it was sent: another request may have brought a newer answer.
    local etag, modified = var.http_x_cirrus_etag, var.http_x_cirrus_modified
    usable = (etag or modified) and (not etag or header["ETag"] == etag)
      and (etag or not modified or header["Last-Modified"] == modified)
  else
    local _, _, until_time = times.read(header[times.HEADER])
    usable = until_time > ngx.time()
  end
  if not usable and ngx.status < 500 then
    ngx.status = 412
  end
end

-- header_filter_by_lua of @kept.
function _M.headers()
  local site = sites.find(var.host)
  if not site or (ngx.status ~= 200 and ngx.status ~= 206) then
    return
  end
  if var.cirrus_outcome ~= "304" then
    var.cirrus_kept = "stale"
    header["X-Accel-Expires"] = 0
    header["Cache-Control"] = nil
    return
  end
  labels.take_off()
  updates.apply(header, var.cirrus_update)
  var.cirrus_kept = "revalidated"
  labels.write(site, sites.act(site, var.cirrus_rule))
end

-- access_by_lua of @again.
function _M.again()
  if var.cirrus_failure ~= "" then
    ngx.status = tonumber(var.cirrus_outcome)
    header["Content-Type"] = "text/plain; charset=utf-8"
    header["X-Accel-Expires"] = 0
    ngx.say(var.cirrus_failure)
    return ngx.exit(ngx.HTTP_OK)
  end
end

return _M
