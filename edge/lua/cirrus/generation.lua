-- The generation of this edge's cache: part of every key, so a new one begins with an empty cache at once.
--
--   generation.current()                                   -->  "0", "m3k1x8"
--   generation.renew("Redis could not be reached …")       begin a new one, and say why
--
-- An edge that has been away does not know what was purged meanwhile. When it starts, it is catching up: requests go
-- past the cache until Redis has told it. If Redis cannot be reached, it keeps its cache only if its last contact was
-- moments ago and the machine has not been started anew since (what was not written to the disk would be missing).
local beacon = require "cirrus.beacon"
local files = require "cirrus.files"
local settings = require "cirrus.settings"

local state = ngx.shared.cirrus_state

local _M = {}

-- Seconds that a start waits for Redis before it decides by itself.
_M.PATIENCE = 2

local function this_boot()
  return files.read("/proc/sys/kernel/random/boot_id"):match("%S+") or "unknown"
end

-- Load what the last run left, before the first request.
function _M.load()
  state:set("generation", files.read(settings.get().generation):match("^%w+") or "0")
end

function _M.current()
  return state:get("generation") or "0"
end

function _M.renew(why)
  local name = string.format("g%d", ngx.now() * 1000)
  state:set("generation", name)
  state:set("generation_note", why)
  files.keep(settings.get().generation, name .. "\n") -- an older one must not come back
  ngx.log(ngx.WARN, "a new generation of the cache begins: ", why)
  beacon.bump(beacon.VERSION)
end

-- Note that Redis was reached just now, and all that it had was taken. It need not survive a power failure: after that
-- it counts no more.
function _M.note_contact()
  files.write(settings.get().contact, string.format("%.3f %s\n", ngx.now(), this_boot()))
end

-- Redis was reached: what has been purged is known now.
function _M.caught_up()
  beacon.numbers()[beacon.MODE] = beacon.READY
  state:set("catching_up", false)
end

-- It was not: may the cache be used all the same?
function _M.give_up()
  local own = settings.get()
  local at, boot = files.read(own.contact):match("^([%d.]+) (%S+)")
  local age = at and ngx.now() - tonumber(at)
  if not age or age < 0 or age > own.purge_grace or boot ~= this_boot() then
    _M.renew("this edge could not ask Redis which purges it missed (last contact: "
      .. (age and string.format("%d s ago", age) or "none") .. ")")
  end
  _M.caught_up()
end

return _M
