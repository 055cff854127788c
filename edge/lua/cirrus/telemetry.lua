-- The timers behind the counters, the traffic by minute, the access log and the disk's free space.
--
-- Every worker: counts to shared memory each second, its minutes every few seconds. Worker 0 besides: minutes to
-- Redis, the log's size, the disk. Nothing here holds a request up.
local disk = require "cirrus.disk"
local metrics = require "cirrus.metrics"
local rotation = require "cirrus.rotation"
local stats = require "cirrus.stats"
local tally = require "cirrus.tally"

local _M = {}

local FLUSH_EVERY, STORE_EVERY, SEND_EVERY, LOOK_EVERY = 1, 3, 5, 2

-- Counts to shared memory, now.
function _M.flush()
  stats.add(metrics.flush(), ngx.time())
end

-- The same where no timer will follow: the worker is leaving, and finishes what it is serving.
function _M.leave()
  tally.closing = true
  _M.flush()
  stats.store(true)
end

local storing = false

local function store()
  if storing then
    return -- the last turn has not ended yet
  end
  storing = true
  local done, problem = pcall(stats.store)
  storing = false
  if not done then
    ngx.log(ngx.ERR, "traffic could not be stored: ", problem)
  end
end

local function every(seconds, work)
  assert(ngx.timer.every(seconds, function(premature)
    if not premature then
      work()
    end
  end))
end

local function look()
  disk.look()
  rotation.look()
end

function _M.start()
  assert(ngx.timer.every(FLUSH_EVERY, function(premature)
    if premature then
      _M.leave()
    else
      _M.flush()
    end
  end))
  every(STORE_EVERY, store)
  if ngx.worker.id() == 0 then
    every(SEND_EVERY, stats.send)
    every(LOOK_EVERY, look)
    assert(ngx.timer.at(0, look))
  end
end

return _M
