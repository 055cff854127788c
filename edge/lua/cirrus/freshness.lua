-- How long an answer may be served from the cache (RFC 9111, RFC 9213), as nginx will be told it.
--
--   freshness.of({ status = 200, cache_control = "max-age=60, stale-if-error=600", now = … }, cache, act)
--     -->  { store = true, ttl = 60, stale_error = 600, stale_update = 0 }
--
-- Takes plain values and returns seconds. `cache` is the `cache` object of a domain's document, `act` the actions of
-- the rule that matched, or nil.
local directives = require "cirrus.directives"

local floor, max, min = math.floor, math.max, math.min
local seconds = directives.seconds

local _M = {}

-- Statuses that may be stored without explicit freshness (RFC 9110 section 15.1), without 206.
local HEURISTIC = {
  [200] = true, [203] = true, [204] = true, [300] = true, [301] = true, [308] = true,
  [404] = true, [405] = true, [410] = true, [414] = true, [501] = true,
}
local NEGATIVE = { [404] = true, [410] = true }
-- A note about what somebody else has: never the answer to another request.
local NOT_MODIFIED, PARTIAL = 304, 206
-- What an origin may mean by must-understand (RFC 9111 section 5.2.2.3): the statuses of RFC 9110.
local UNDERSTOOD = {
  [302] = true, [303] = true, [307] = true, [400] = true, [401] = true, [402] = true, [403] = true, [406] = true,
  [409] = true, [411] = true, [413] = true, [415] = true, [422] = true,
  [500] = true, [502] = true, [503] = true, [504] = true,
}

-- Where a domain does not say: served while the origin fails, a day; while one request fetches anew, ten seconds.
_M.STALE_ON_ERROR = 86400
_M.STALE_WHILE_UPDATING = 10
-- Nothing stays longer in a cache, stale windows included: a purge older than this may be forgotten.
_M.LONGEST = 2592000
-- An error of the server with an explicit lifetime: many origins send it with whatever they answer.
_M.LONGEST_ERROR = 60

_M.seconds = seconds

-- The explicit lifetime, or nil where the origin gives none. What it says badly is stale already.
local function explicit_lifetime(answer, said, is_targeted)
  local value = said["s-maxage"] or said["max-age"]
  if value then
    return seconds(value) or 0
  end
  if answer.expires and not is_targeted then
    if not answer.expires_at then
      return 0
    end
    return max(0, answer.expires_at - (answer.date_at or answer.now))
  end
end

-- Does HTTP forbid to store this, whatever its lifetime? `act.force` overrules the origin, nothing overrules "*".
local function is_forbidden(answer, said, act)
  if answer.vary and answer.vary:find("*", 1, true) then
    return true
  end
  if act.force then
    return false
  end
  if said["must-understand"] then
    if not HEURISTIC[answer.status] and not UNDERSTOOD[answer.status] then
      return true
    end
  elseif said["no-store"] then
    return true
  end
  if said["private"] or (answer.set_cookie and not act.strip_cookies) then
    return true
  end
  -- RFC 9111 section 3.5: an answer to a request with credentials is somebody's own.
  return answer.authorization and not (said["public"] or said["s-maxage"] or said["must-revalidate"])
end

-- A part is the answer to no other request, but where the edge itself asks for slices. nginx joins slices that say the
-- same ETag, so that it must be there, and be a strong one: else two versions would become one answer.
local function is_loose(answer, act)
  if answer.status == PARTIAL then
    return not (act.slices and answer.etag and answer.etag:find('^"[^"]*"$'))
  end
  return answer.status == NOT_MODIFIED
end

local function ttl_of_status(list, status)
  if not list then
    return nil
  end
  for _, range in ipairs(list) do
    if status >= range.from and status <= range.to then
      return range.ttl
    end
  end
end

-- What the operator's rule says; else nil.
local function ruled_lifetime(answer, act)
  local ttl = ttl_of_status(act.ttl_by_status, answer.status)
  if ttl then
    return ttl
  end
  return answer.status >= 200 and answer.status <= 399 and act.edge_ttl or nil
end

-- What is left of the lifetime, by the origin or where it is silent by the domain; nil: not to be stored.
local function origins_lifetime(answer, said, is_targeted, cache, act)
  local lifetime = explicit_lifetime(answer, said, is_targeted)
  if not lifetime then
    -- To a request with a cookie, an answer that says nothing may be made for one person.
    local may = HEURISTIC[answer.status] or (answer.status == 206 and act.slices)
    if not may or (answer.cookie and not act.strip_cookies) then
      return nil
    end
    lifetime = NEGATIVE[answer.status] and cache.negative_ttl or cache.default_ttl
  end
  lifetime = lifetime - _M.age(answer.age, lifetime)
  return answer.status >= 500 and min(lifetime, _M.LONGEST_ERROR) or lifetime
end

-- The Age that came with an answer, in seconds; one that cannot be read counts as the whole lifetime. Of a list the
-- first member counts (RFC 9111 section 5.1); in several fields anything may be true.
function _M.age(text, lifetime)
  if not text then
    return 0
  end
  return seconds(text:match("^%s*([^,]*)")) or lifetime
end

local NO_ACT = {}
local NOT_STORED = { store = false, ttl = 0, stale_error = 0, stale_update = 0 }
local GUARDED = { store = false, ttl = 0, stale_error = 0, stale_update = 0, guarded = true }

-- How long an answer may be used when it is stale.
local function windows(said, ttl, is_explicit, cache, act, ruled)
  if not act.force and (said["must-revalidate"] or said["proxy-revalidate"] or said["no-cache"]) then
    return 0, 0
  end
  -- s-maxage means proxy-revalidate too (RFC 9111 section 5.2.2.10), unless the origin grants a window (RFC 5861).
  local silent = act.force or not said["s-maxage"]
  local on_error = silent and (cache.stale_if_error or _M.STALE_ON_ERROR) or 0
  local on_update = silent and (cache.stale_while_revalidate or _M.STALE_WHILE_UPDATING) or 0
  -- Nobody asked for this one, so it is never more than a tenth of a lifetime that the origin has chosen; and who has
  -- set a lifetime of 0 wants each answer to be asked about first.
  if ruled == 0 then
    on_update = 0
  elseif is_explicit then
    on_update = min(on_update, floor(ttl / 10))
  end
  on_error = act.stale_if_error or seconds(said["stale-if-error"]) or on_error
  on_update = act.stale_while_revalidate or seconds(said["stale-while-revalidate"]) or on_update
  local room = _M.LONGEST - ttl
  return min(on_error, room), min(on_update, room)
end

-- answer: status, cache_control, cdn_cache_control, surrogate_control, expires, age, vary, etag (texts or nil),
-- expires_at and date_at (Unix times or nil), now (Unix time), and as booleans: set_cookie, authorization and cookie
-- (the request had one), validator (has the answer an ETag or a Last-Modified?), mislabelled (cirrus.guards).
-- Returns a table (not to be changed):
--   store         may it be stored? Where ttl is 0, only to be asked for by its validator at each use.
--   ttl, stale_error, stale_update   seconds
--   browser       what the client is told as Cache-Control, or nil: what the origin said
function _M.of(answer, cache, act)
  act = act or NO_ACT
  if answer.mislabelled and cache.guard ~= false then
    return GUARDED
  end
  if act.bypass or is_loose(answer, act) then
    return NOT_STORED
  end
  -- A field for CDNs replaces Cache-Control and Expires as a whole.
  local targeted = directives.targeted(answer.cdn_cache_control) or directives.surrogate(answer.surrogate_control)
  local said = targeted or directives.of(answer.cache_control)
  if is_forbidden(answer, said, act) then
    return NOT_STORED
  end
  local ruled = ruled_lifetime(answer, act)
  local lifetime = ruled or origins_lifetime(answer, said, targeted ~= nil, cache, act)
  local is_explicit = not ruled and explicit_lifetime(answer, said, targeted ~= nil) ~= nil
  if not lifetime or ttl_of_status(act.ttl_by_status, answer.status) == 0
    or (lifetime <= 0 and not (ruled or is_explicit or said["no-cache"])) then
    return NOT_STORED -- the operator says 0: not at all
  end
  local no_cache = said["no-cache"] and not act.force
  local ttl = no_cache and 0 or max(0, floor(min(lifetime, cache.max_ttl, _M.LONGEST)))
  if ttl == 0 and not answer.validator then
    return NOT_STORED
  end
  local on_error, on_update = windows(said, ttl, is_explicit, cache, act, ruled)
  local browser = act.browser_ttl and not no_cache
    and (act.browser_ttl > 0 and "max-age=" .. act.browser_ttl or "no-cache") or nil
  return { store = true, ttl = ttl, stale_error = on_error, stale_update = on_update, browser = browser }
end

-- The X-Accel-Expires that tells nginx: seconds; 0, do not store; or a moment that has just passed: store, and ask
-- again at each use.
function _M.accel_expires(fresh, now)
  if fresh.ttl > 0 then
    return fresh.ttl
  end
  return fresh.store and string.format("@%d", now - 1) or 0
end

return _M
