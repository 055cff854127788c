-- init_by_lua, in the master process, at the start and at each reload: settings, and the snapshot before any worker
-- accepts a request. After a reload the shared memory is still there, but for what was given another size. A trial run
-- (`nginx -t`) runs none of this, so that it may take place beside a running edge.
require "cirrus.tail_calls"

-- As OpenResty's LuaJIT has it by itself. A stock one (Debian's) forgets all that it has compiled at 1,000 traces or
-- 512 KB, and gives up what a request runs through in one go as too long.
require("jit.opt").start("maxtrace=8000", "maxrecord=16000", "minstitch=3", "maxmcode=40960")
-- Beyond OpenResty's: what labels an answer has more constants and ways out. And LuaJIT takes 15 tail calls in one
-- trace for a loop; `ngx.var` ends in one, and so do `ngx.time` and `ngx.header`. What was refused was tried, given up
-- and interpreted again and again: a sixth of a miss.
require("jit.opt").start("maxirconst=4000", "maxsnap=2000", "loopunroll=60")

local beacon = require "cirrus.beacon"
local connection = require "cirrus.connection"
local generation = require "cirrus.generation"
local invalidations = require "cirrus.invalidations"
local keyring = require "cirrus.tls.keyring"
local platform = require "cirrus.platform"
local replica = require "cirrus.replica"
local resolver = require "cirrus.resolver"
local settings = require "cirrus.settings"
local store = require "cirrus.store"
local tags = require "cirrus.tags"
local tickets = require "cirrus.tls.tickets"

-- Loaded here once, so that the workers share the pages and a missing module stops the start.
require "cirrus.health"
require "cirrus.metrics"
require "cirrus.sites"
require "cirrus.subscriber"
require "cirrus.telemetry"
platform.redis()
platform.dns()

-- What nginx.conf calls: `cirrus.headers()`. LuaJIT compiles a look-up in a table, but no `require`.
-- luacheck: globals cirrus
cirrus = {}
for _, phase in ipairs({
  "balance", "capture", "explain", "fetch", "fetch_headers", "fetch_log", "handshake", "headers", "kept", "log",
  "passed", "refreshed", "route", "secured", "status", "wait",
}) do
  cirrus[phase] = require("cirrus.phases." .. phase)
end

return function(path)
  settings.load(path)
  keyring.load(settings.get().memory_file)
  if settings.get().https then
    tickets.load(settings.get().ticket_slots)
  end
  local state = ngx.shared.cirrus_state
  if store.is_new() then
    state:delete("beacon") -- the workers of before a reload keep the numbers that belong to their memory
  end
  beacon.open(settings.get().passing)
  resolver.prepare()
  connection.prepare(settings.get().redis)
  state:add("started", ngx.now())
  state:delete("compared") -- a new version of this software may take what the old one refused
  if state:add("boot", string.format("%.0f", ngx.now() * 1000)) then
    generation.load()
    invalidations.load()
    tags.load()
  end
  if not store.is_loaded() then
    replica.load(settings.get().snapshot)
  end
end
