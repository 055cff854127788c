-- What a worker remembers of the URLs that it has been asked for: which rule, which key, which stamps.
--
--   entries.get(site, "/img/a.png")  -->  the entry, or nil     entries.put(site, "/img/a.png", entry)
--
-- So the rules, the normalization and the look for purges are paid for once, and a request for a busy URL costs two
-- table reads. All sites together hold at most twice LIMIT entries: when LIMIT new ones have come, the older half of
-- every site is dropped; what is still asked for has moved to the younger half.
local settings = require "cirrus.settings"

local _M = {}

local LIMIT = 8000
-- Longer ones are not remembered: LuaJIT pays dearly for many long strings that are nearly alike.
local MAX_LENGTH = 240

local count, bytes = 0, 0
-- The halves of each site that has any: also of those that nobody asks for any more.
local all = {}

-- What is not asked for any more goes.
local function turn()
  local left = {}
  for _, own in ipairs(all) do
    own.old, own.young = own.young, {}
    own.is_listed = next(own.old) ~= nil
    if own.is_listed then
      left[#left + 1] = own
    end
  end
  all, count, bytes = left, 0, 0
end

local function halves(site)
  local own = site.entries
  if not own then
    own = { young = {}, old = {} }
    site.entries = own
  end
  if not own.is_listed then
    own.is_listed = true
    all[#all + 1] = own
  end
  return own
end

function _M.get(site, uri)
  local own = site.entries
  if not own then
    return nil
  end
  local entry = own.young[uri]
  if entry then
    return entry
  end
  entry = own.old[uri]
  if entry then
    own.old[uri] = nil
    _M.put(site, uri, entry)
  end
  return entry
end

function _M.put(site, uri, entry)
  if #uri > MAX_LENGTH then
    return
  end
  if count >= LIMIT then
    turn()
  end
  count = count + 1
  _M.weigh(entry.bytes or 0)
  halves(site).young[uri] = entry
end

-- Bodies that entries hold count as well: at most twice the setting in one worker.
function _M.weigh(more)
  bytes = bytes + more
  if bytes > settings.get().hot_memory then
    turn()
  end
end

return _M
