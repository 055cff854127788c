-- init_by_lua, in the master process: settings, and the snapshot before any worker accepts a request.
require "resty.core"

local beacon = require "cirrus.beacon"
local generation = require "cirrus.generation"
local invalidations = require "cirrus.invalidations"
local replica = require "cirrus.replica"
local resolver = require "cirrus.resolver"
local settings = require "cirrus.settings"
local store = require "cirrus.store"
local tags = require "cirrus.tags"

-- Loaded here once, so that the workers share the pages and a missing module stops the start.
require "cirrus.health"
require "cirrus.metrics"
require "cirrus.sites"
require "cirrus.subscriber"
require "cirrus.telemetry"
require("cirrus.platform").redis()
require("cirrus.platform").dns()

return function(path)
  settings.load(path)
  beacon.open(settings.get().passing)
  resolver.prepare()
  ngx.shared.cirrus_state:add("started", ngx.now())
  ngx.shared.cirrus_state:delete("compared") -- a new version of this software may take what the old one refused
  if not store.is_loaded() then -- after a reload the shared memory is still there
    ngx.shared.cirrus_state:set("boot", string.format("%.0f", ngx.now() * 1000))
    generation.load()
    invalidations.load()
    tags.load()
    replica.load(settings.get().snapshot)
  end
end
