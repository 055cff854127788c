-- A guard against cache deception: what must not be stored because it is not what its name says.
--
--   guards.is_mislabelled("/account/x.css", "text/html")       -->  true
--
-- Deception: a client is lured to /account/x.css, the origin answers with the page of the account, and the edge takes
-- it for a style sheet that everybody may have.
local memo = require "cirrus.memo"
local texts = require "cirrus.texts"

local _M = {}

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

local LETTERS = texts.class("%w")
local verdicts = memo.new(256) -- "css text/html; charset=utf-8" → is that mislabelled?

-- The extension of a normalized path, lower-case, or nil: also of /account;x.css, which some origins take for /account.
function _M.extension(path)
  local extension = texts.after_last(path, ".")
  if extension and extension ~= "" and texts.span(extension, LETTERS) == #extension then
    return extension:lower()
  end
end

local function contradicts(content_type, promised)
  local essence = content_type:lower():match("^%s*([^;%s]+)")
  if not essence or NEUTRAL[essence] then
    return false
  end
  for _, pattern in ipairs(promised) do
    if essence:find(pattern) then
      return false
    end
  end
  return true
end

-- Does the answer's media type contradict a static extension of the path? Without a media type: no, a browser will
-- not take it for a page either.
function _M.is_mislabelled(path, content_type)
  local extension = content_type and _M.extension(path)
  local promised = extension and STATIC[extension]
  if not promised then
    return false
  end
  local name = extension .. " " .. content_type
  local verdict = verdicts:get(name)
  if verdict == nil then
    verdict = contradicts(content_type, promised)
    verdicts:set(name, verdict)
  end
  return verdict
end

return _M
