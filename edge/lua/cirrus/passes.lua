-- URLs whose answers were not stored: they go past the cache for a while, and so past its lock, behind
-- which the requests for one URL would otherwise queue although each needs an answer of its own.
--
--   passes.note(site, "12|/cart", now)      passes.has(site, "12|/cart", now)  -->  true
--   passes.forget(site, "12|/cart")         an answer was stored: one client's odd requests must not keep all others
--                                           from the cache
--
-- Kept in the compiled site of a worker, so a site without such URLs pays nothing, and a new revision
-- forgets them. Keyed by checksum: long URLs are chosen by strangers and make poor keys. Two URLs with one
-- checksum merely share the way past the cache.
local crc32 = ngx.crc32_long

local _M = {}

local SECONDS = 10
local MAX_URLS = 4096

-- Note that the answer for `uri` was not stored; each further one renews the note.
function _M.note(site, uri, now)
  local urls = site.passes
  if not urls or urls.count >= MAX_URLS then
    urls = { count = 0, till = {} }
    site.passes = urls
  end
  local key = crc32(uri)
  if not urls.till[key] then
    urls.count = urls.count + 1
  end
  urls.till[key] = now + SECONDS
end

function _M.forget(site, uri)
  local urls = site.passes
  local key = urls and crc32(uri)
  if key and urls.till[key] then
    urls.till[key] = nil
    urls.count = urls.count - 1
  end
end

-- Shall this request go past the cache? Once a second one is sent through it all the same, and what becomes of its
-- answer renews the note or ends it.
function _M.has(site, uri, now)
  local urls = site.passes
  local key = crc32(uri)
  local till = urls.till[key]
  if not till or till <= now then
    return false
  end
  if till - now < SECONDS - 1 then
    urls.till[key] = now + SECONDS -- for the others
    return false
  end
  return true
end

return _M
