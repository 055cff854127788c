-- What kind of device a User-Agent names, for caches that keep one answer for each.
--
--   devices.of("Mozilla/5.0 (iPhone; …) … Mobile/15E148 Safari/604.1")  → "mobile"
--
-- Tablets are found first: an iPad, a Kindle (Silk), a PlayBook, what calls itself a tablet, and Android
-- that does not say "Mobile". Then everything with "Mobi", iPhone, iPod, Opera Mini or BlackBerry is mobile.
-- Everything else, also no name at all, is a desktop. The result is one of three words: a key stays bounded.
local memo = require "cirrus.memo"

local _M = {}

local MOST = 512 -- characters that are looked at
local TABLETS = { "ipad", "tablet", "kindle", "silk/", "playbook" }
local MOBILES = { "mobi", "iphone", "ipod", "opera mini", "blackberry" }

local known = memo.new(1024)

local function has_one(text, words)
  for i = 1, #words do
    if text:find(words[i], 1, true) then
      return true
    end
  end
  return false
end

local function classify(user_agent)
  local text = user_agent:lower()
  if has_one(text, TABLETS) or (text:find("android", 1, true) and not text:find("mobile", 1, true)) then
    return "tablet"
  end
  return has_one(text, MOBILES) and "mobile" or "desktop"
end

-- user_agent: the field's value, or nil. Returns "mobile", "tablet" or "desktop".
function _M.of(user_agent)
  if not user_agent or user_agent == "" then
    return "desktop"
  end
  user_agent = user_agent:sub(1, MOST)
  local device = known:get(user_agent)
  if not device then
    device = classify(user_agent)
    known:set(user_agent, device)
  end
  return device
end

return _M
