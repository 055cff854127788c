-- What a worker remembers of the URLs that it has been asked for: which rule, which key, which stamps.
--
--   entries.get(site, "/img/a.png")  -->  the entry, or nil     entries.put(site, "/img/a.png", entry)
--
-- So the rules, the normalization and the look for purges are paid for once, and a request for a busy URL costs two
-- table reads. All sites together hold at most twice LIMIT entries: when LIMIT new ones have come, every site's older
-- half is dropped as soon as it is met; what is still asked for has moved to the younger half.
local settings = require "cirrus.settings"

local _M = {}

local LIMIT = 20000
-- Longer ones are not remembered: LuaJIT pays dearly for many long strings that are nearly alike.
local MAX_LENGTH = 240

local generation = 1
local count, bytes = 0, 0

-- Begin a new generation: what is not asked for any more goes.
local function turn()
  generation = generation + 1
  count, bytes = 0, 0
end

local function halves(site)
  local own = site.entries
  if not own then
    own = { generation = generation, young = {}, old = {} }
    site.entries = own
  elseif own.generation ~= generation then
    own.old = own.generation == generation - 1 and own.young or {}
    own.young, own.generation = {}, generation
  end
  return own
end

function _M.get(site, uri)
  local own = site.entries
  if not own or own.generation ~= generation then
    own = halves(site)
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
