-- What the fetch tier writes on an answer for the cache tier, which takes all of it off again.
--
-- X-Accel-Expires is the lifetime. Cache-Control becomes a note for nginx alone, with the windows in which a stale
-- answer may be served; what the client shall see travels as X-Cirrus-Cache-Control and X-Cirrus-Vary. Stored with
-- the answer are also
--   X-Cirrus-Times   when it was made, and how long it may be used (cirrus.times)
--   X-Cirrus-Tags    the checksums of its tags, and X-Cirrus-Stamp the stamp under which it is stored (cirrus.tags)
--   X-Cirrus-Said    the origin's Cache-Control, where the client is told another
--
--   labels.write(site, act)      labels.take_off()  -->  the answer as the origin sent it, but for its tags
local answers = require "cirrus.answers"
local freshness = require "cirrus.freshness"
local metrics = require "cirrus.metrics"
local tags = require "cirrus.tags"
local times = require "cirrus.times"

local var = ngx.var
local header = ngx.header

local _M = {}

-- nginx keeps nothing whose Vary is longer.
local MAX_VARY = 128

-- To take off what is not there costs as much as to set it, and a look costs a fifth of that.
local function put(name, value)
  if value ~= nil or header[name] ~= nil then
    header[name] = value
  end
end

-- Server-sent events come one by one over minutes.
local function is_stream(content_type)
  return type(content_type) == "string" and content_type:sub(1, 17):lower() == "text/event-stream"
end

-- The checksums of the answer's tags, which are taken off it; of an answer out of the cache those that it had.
local function take_tags()
  local checksums = tags.checksums(answers.single("Cache-Tag"), answers.single("Surrogate-Key"))
  put("Cache-Tag", nil)
  put("Surrogate-Key", nil)
  return checksums ~= "" and checksums or header["X-Cirrus-Tags"] or ""
end

-- Where an answer with tags may be stored: note them; returns whether it may be stored still.
local function note_tags(site, checksums, vary)
  header["X-Cirrus-Tags"] = checksums
  header["X-Cirrus-Stamp"] = var.http_x_cirrus_stamp
  header["Vary"] = vary and vary .. ", " .. tags.HEADER or tags.HEADER
  local fill = tonumber(var.http_x_cirrus_fill) or 0
  if #header["Vary"] > MAX_VARY then
    metrics.count("cirrus_cache_refused_total", "vary")
    return false
  end
  local stored = tags.store(site.host, var.http_x_cirrus_key or "", var.http_x_cirrus_stamp, fill, checksums)
  if not stored then
    metrics.count("cirrus_cache_refused_total", "purged")
  end
  return stored
end

-- What the rule takes from the answer, and what it tells the client.
local function act_on_headers(act, fresh, cache_control)
  if act and fresh.store and (act.strip_cookies or act.force) then
    header["Set-Cookie"] = nil
  end
  if fresh.browser then
    header["Expires"] = nil
    header["X-Cirrus-Said"] = cache_control
    return fresh.browser
  end
  return cache_control
end

-- Write them on the answer of which the headers are being sent.
function _M.write(site, act)
  local fresh, vary = answers.judge(site, act)
  local now = ngx.time()
  local cache_control = answers.single("Cache-Control")
  put("Vary", vary) -- of several lines nginx keys by the last one alone
  put("X-Cirrus-Vary", vary)
  local checksums, stored = take_tags(), fresh.store
  if fresh.guarded then
    metrics.count("cirrus_cache_refused_total", "guard")
  end
  if stored and checksums ~= "" then
    stored = note_tags(site, checksums, vary)
  end
  put("X-Cirrus-Cache-Control", act_on_headers(act, fresh, cache_control))
  -- In this order: nginx reads the windows only where it meets them before the lifetime.
  put("Cache-Control", stored and string.format(
    "stale-while-revalidate=%d, stale-if-error=%d", fresh.stale_update, fresh.stale_error) or nil)
  header["X-Accel-Expires"] = stored and freshness.accel_expires(fresh, now) or 0
  local at, fresh_until = now - (freshness.seconds(answers.age()) or 0), stored and now + fresh.ttl
  header[times.HEADER] = times.write(
    at, fresh_until, stored and fresh_until + fresh.stale_error, tonumber(var.http_x_cirrus_fill))
  put("Age", nil)
  if is_stream(header["Content-Type"]) then
    header["X-Accel-Buffering"] = "no" -- each event at once
  end
end

-- Take them off an answer out of the cache.
function _M.take_off()
  header["Cache-Control"] = header["X-Cirrus-Said"] or header["X-Cirrus-Cache-Control"]
  header["X-Cirrus-Said"] = nil
  header["Vary"] = header["X-Cirrus-Vary"]
end

return _M
