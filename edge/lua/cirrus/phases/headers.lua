-- header_filter_by_lua of the public server, but for what goes past the cache (phases/passed): Age (RFC 9111 section
-- 5.1), which nginx does not make; what is stale because of a soft purge; and what this worker notes of the URL for
-- later requests.
local cache_status = require "cirrus.cache_status"
local flights = require "cirrus.flights"
local handover = require "cirrus.handover"
local hot = require "cirrus.hot"
local passes = require "cirrus.passes"
local refresh = require "cirrus.refresh"
local routing = require "cirrus.routing"
local settings = require "cirrus.settings"
local sites = require "cirrus.sites"
local tags = require "cirrus.tags"
local times = require "cirrus.times"

local var = ngx.var
local header = ngx.header
local now = ngx.now
local floor = math.floor

-- Seconds that requests for what must be asked for at each use do not wait for each other.
local UNSHARED = 10

-- Add to Cache-Status what this edge has done.
local function tell(known)
  local text = cache_status.of(settings.get().node, var.cirrus_x_cache or "NONE", known)
  local before = header["Cache-Status"]
  if before then
    text = (type(before) == "table" and table.concat(before, ", ") or before) .. ", " .. text
  end
  header["Cache-Status"] = text
end

-- Was this object asked for before a soft purge that concerns it?
local function is_softly_purged(site, entry, fill)
  if entry.soft == 0 and entry.soft_tags == 0 then
    return false
  end
  local checksums = var.upstream_http_x_cirrus_tags
  return entry.soft > fill
    or (checksums ~= nil and tags.purged(site.purges, site.host, checksums, fill, true))
end

-- Until when the cache answers by itself: also while it fetches anew what has just become stale.
local function note_kept(entry, fresh_until)
  if entry.fresh_until ~= fresh_until then
    local window = (var.upstream_http_cache_control or ""):match("stale%-while%-revalidate=(%d+)")
    entry.fresh_until, entry.kept_until = fresh_until, fresh_until + (tonumber(window) or 0)
  end
end

-- A hit: Age, and where it is stale by purge, one fetch in the background.
local function hit(site, entry, moment, fresh_until, fill)
  if var.cirrus_door == "lead" then -- it was there: nobody need wait until this client has read it
    flights.finish(flights.name(var.cirrus_key, entry.is_authorized))
    var.cirrus_door = "cache"
  end
  if is_softly_purged(site, entry, fill) then
    var.cirrus_door = "stale"
    refresh.start(entry)
    hot.postpone(entry, moment)
  elseif var.cirrus_door == "capture" and ngx.req.get_method() == "GET" then
    handover.capture = hot.begin(entry, moment, fresh_until or 0)
    if not handover.capture then
      hot.postpone(entry, moment)
    end
  end
end

-- Something was fetched: is it worth the way through the cache the next time?
local function fetched(site, entry, status, moment, lifetime)
  if lifetime ~= "0" then
    passes.forget(site, entry.asked)
    if lifetime and lifetime:byte() == 64 then -- "@…": to be asked for at each use, so it helps nobody to wait
      entry.kept_until = moment + UNSHARED
    end
  elseif (status == "MISS" or status == "BYPASS" or ngx.status < 500) and not var.upstream_http_x_cirrus_tags then
    -- Where there is an older answer to fall back on, a failing origin is no reason to go past it. And an answer with
    -- tags that is not stored may be the first of its site: the next one is.
    passes.note(site, entry.asked, moment)
    if var.cirrus_door == "lead" then
      flights.pass(flights.name(var.cirrus_key, entry.is_authorized))
      var.cirrus_door = "cache" -- there is nothing left to finish
    end
  end
end

return function(scheme)
  local object = handover.object
  local moment = now()
  if object then
    handover.object = nil
    return hot.send_headers(object, moment, settings.get().node, handover.host)
  end
  handover.capture = nil
  if ngx.status == 416 and header["X-Cache"] then -- nginx sends such a range's answer through here a second time
    header["X-Cache"], header["Via"], header["X-Request-Id"], header["Cache-Status"] = nil, nil, nil, nil
  end
  local at, fresh_until, _, fill = times.read(var.upstream_http_x_cirrus_times)
  local host = at and var.host
  local site = host and sites.find(host)
  if not site then
    return
  end
  local entry = routing.entry(site, var.request_uri, scheme, nil, host)
  local status = var.upstream_cache_status
  local age = floor(moment - at)
  if age > 0 or status == "HIT" then
    header["Age"] = age > 0 and age or 0
  end
  local ttl = fresh_until and floor(fresh_until - moment)
  if status == "HIT" then
    if fresh_until and var.cirrus_key == entry.key then
      note_kept(entry, fresh_until)
    end
    hit(site, entry, moment, fresh_until, fill)
    tell({ ttl = ttl, purged = var.cirrus_door == "stale" })
  elseif status then
    local failed, lifetime = var.upstream_http_x_cirrus_kept == "stale", var.upstream_http_x_accel_expires
    if not failed then -- else there is no reason to go past what the cache has
      fetched(site, entry, status, moment, lifetime)
    end
    tell({
      ttl = ttl, status = ngx.status, varies = var.upstream_http_x_cirrus_vary ~= nil,
      stored = lifetime ~= "0", failed = failed,
    })
  end
end
