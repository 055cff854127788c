-- Why an answer would not be kept, as a sentence for people; cirrus.freshness decides, this only tells.
--
--   reasons.not_kept({ status = 200, cookie = true }, {}, nil)
--     -->  "the request has a cookie and the origin gives no lifetime, so that the answer may be one person's; …"
--
-- answer, cache, act: as freshness.of takes them, of an answer that it does not store; besides, answer.content_type.
local directives = require "cirrus.directives"

local _M = {}

local ANYBODYS = { "public", "s-maxage", "must-revalidate" }
local RULE_KEEPS = "a rule that caches even what the origin forbids would keep it"

-- The name of the first of these directives that is there.
local function first(said, names)
  for _, name in ipairs(names) do
    if said[name] then
      return name
    end
  end
end

local function prohibition(answer, said, act)
  if answer.vary and answer.vary:find("*", 1, true) then
    return "the origin says Vary: *, so that no other request may have the answer"
  elseif act.force then
    return nil
  end
  local word = first(said, said["must-understand"] and { "private" } or { "no-store", "private" })
  if word then
    return "the origin says " .. word .. "; " .. RULE_KEEPS
  elseif answer.set_cookie and not act.strip_cookies then
    return "the answer sets a cookie; a rule “without cookies” would remove it and keep the answer"
  elseif answer.authorization and not first(said, ANYBODYS) then
    return "the request has an Authorization header and the origin does not say that others may have the answer"
      .. " (public, s-maxage or must-revalidate); " .. RULE_KEEPS
  end
end

local function by_status(act, status)
  for _, range in ipairs(act.ttl_by_status or {}) do
    if status >= range.from and status <= range.to then
      return range.ttl
    end
  end
end

local function silence(answer, cache, act)
  if answer.cookie and not act.strip_cookies then
    return "the request has a cookie and the origin gives no lifetime, so that the answer may be one person's;"
      .. " a rule with an edge TTL, or “without cookies”, would keep it"
  end
  local name = (answer.status == 404 or answer.status == 410) and "negative" or "default"
  if cache[name .. "_ttl"] == 0 then
    return "the origin gives no lifetime and the domain's " .. name .. " TTL is 0"
  end
  return "the origin gives no lifetime, and without one a status " .. answer.status
    .. " is not kept; a rule with a TTL by status would keep it"
end

function _M.not_kept(answer, cache, act)
  act = act or {}
  if answer.mislabelled and cache.guard ~= false then
    return "the domain's guard: the type " .. (answer.content_type or "of the answer")
      .. " contradicts the extension of the path, so that it may be a page of somebody's own"
  elseif act.bypass then
    return "its rule says “do not cache”"
  elseif answer.status == 206 or answer.status == 304 then
    return "a status " .. answer.status .. " is no whole answer"
  end
  local targeted = directives.targeted(answer.cdn_cache_control) or directives.surrogate(answer.surrogate_control)
  local said = targeted or directives.of(answer.cache_control)
  local forbidden = prohibition(answer, said, act)
  if forbidden then
    return forbidden
  elseif by_status(act, answer.status) == 0 then
    return "its rule says 0 seconds for the status " .. answer.status
  end
  local ruled = by_status(act, answer.status) or (answer.status >= 200 and answer.status < 400 and act.edge_ttl)
  if not ruled and not first(said, { "s-maxage", "max-age", "no-cache" }) and (targeted or not answer.expires) then
    return silence(answer, cache, act)
  end
  return "nothing is left of its lifetime, and it has neither ETag nor Last-Modified to ask again by"
end

return _M
