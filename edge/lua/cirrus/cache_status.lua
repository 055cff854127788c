-- The Cache-Status field (RFC 9211): what this edge did with a request, in words that other caches use as well.
--
--   cache_status.of("edge-1", "HIT", { ttl = 57 })                     -->  "edge-1; hit; ttl=57"
--   cache_status.of("edge-1", "MISS", { status = 200, stored = true })
--     -->  "edge-1; fwd=uri-miss; fwd-status=200; stored"
local _M = {}

-- What X-Cache says → why the request went on to the origin; false: it did not.
local FORWARDED = {
  MISS = "uri-miss", EXPIRED = "stale", REVALIDATED = "stale", BYPASS = "bypass", NONE = "method",
  HIT = false, UPDATING = false, STALE = false,
}

-- known: ttl (seconds that the answer stays fresh, negative where it is stale), status (of the origin's answer),
--   stored, varies (has the answer a Vary?), purged (stale because of a soft purge), failed (the origin has).
function _M.of(node, cache, known)
  local forwarded = FORWARDED[cache]
  if known.purged then
    return node .. "; hit; detail=purged"
  elseif known.failed then
    return node .. "; fwd=stale; detail=origin-failed"
  elseif not forwarded then
    return node .. "; hit" .. (known.ttl and "; ttl=" .. known.ttl or "")
  end
  if known.varies and cache == "MISS" then
    forwarded = "miss" -- nginx does not say whether another variant is there
  end
  local text = node .. "; fwd=" .. forwarded
  if cache == "REVALIDATED" then
    text = text .. "; fwd-status=304"
  elseif known.status then
    text = text .. "; fwd-status=" .. known.status
  end
  return known.stored and text .. "; stored" or text
end

return _M
