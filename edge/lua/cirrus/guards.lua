-- Guards against cache poisoning and deception: what must not reach an origin, what must not be stored.
--
--   guards.is_unkeyed("X-Forwarded-Scheme")                    -->  true
--   guards.is_mislabelled("/account/x.css", "text/html")       -->  true
--
-- Poisoning: a client sends a header that the origin builds its answer from, and that is not part of the cache key.
-- Deception: a client is lured to /account/x.css, the origin answers with the page of the account, and the edge takes
-- it for a style sheet that everybody may have.
local _M = {}

-- Headers from which frameworks take the URL, the host or the method of a request. The edge sets its own
-- X-Forwarded-For, -Proto and -Host; every other spelling of the same is a client's invention.
_M.UNKEYED = {
  "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Path",
  "X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Forwarded-Url", "X-Forwarded", "Forwarded", "X-Host", "X-HTTP-Host-Override",
  "X-Original-Host", "X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Override-Url", "X-Url-Scheme",
  "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Proxy-Url", "X-Wap-Profile", "Front-End-Https",
  "Proxy", "Base-Url", "Request-Uri",
}

local unkeyed = {}
for _, name in ipairs(_M.UNKEYED) do
  unkeyed[name:lower()] = true
end

-- Can a client change answers with this header, although no cache keys by it?
function _M.is_unkeyed(name)
  return unkeyed[name:lower()] == true
end

-- Extensions that promise something static → patterns of the media types that keep the promise.
local ANY_IMAGE, SCRIPT = { "^image/" }, { "javascript", "ecmascript", "json" }
local FONT, MEDIA = { "^font/", "font", "ms%-opentype" }, { "^audio/", "^video/", "^application/ogg" }
local STATIC = {
  css = { "^text/css" }, js = SCRIPT, mjs = SCRIPT, map = { "json", "javascript" },
  png = ANY_IMAGE, jpg = ANY_IMAGE, jpeg = ANY_IMAGE, gif = ANY_IMAGE, webp = ANY_IMAGE, avif = ANY_IMAGE,
  ico = ANY_IMAGE, bmp = ANY_IMAGE, tif = ANY_IMAGE, tiff = ANY_IMAGE, svg = { "^image/svg" },
  woff = FONT, woff2 = FONT, ttf = FONT, otf = FONT, eot = FONT,
  mp3 = MEDIA, mp4 = MEDIA, m4a = MEDIA, m4v = MEDIA, webm = MEDIA, ogg = MEDIA, ogv = MEDIA, wav = MEDIA, flac = MEDIA,
  mov = MEDIA, pdf = { "^application/pdf" }, zip = { "zip" }, gz = { "gzip" },
}
-- What says nothing about the content, or that it is to be downloaded: harmless under any name.
local NEUTRAL = { ["application/octet-stream"] = true, ["binary/octet-stream"] = true, ["text/plain"] = true }

-- The extension of a normalized path, lower-case, or nil: also of /account;x.css, which some origins take for /account.
function _M.extension(path)
  local extension = path:match("%.([%w]+)$")
  return extension and extension:lower()
end

-- Does the answer's media type contradict a static extension of the path? Without a media type: no, a browser will
-- not take it for a page either.
function _M.is_mislabelled(path, content_type)
  local extension = _M.extension(path)
  local promised = extension and STATIC[extension]
  local essence = content_type and content_type:lower():match("^%s*([^;%s]+)")
  if not promised or not essence or NEUTRAL[essence] then
    return false
  end
  for _, pattern in ipairs(promised) do
    if essence:find(pattern) then
      return false
    end
  end
  return true
end

return _M
