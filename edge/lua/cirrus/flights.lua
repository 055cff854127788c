-- Which objects are being fetched: one request goes, the others wait for it and are released together.
--
--   flights.take(key)      -->  "lead": this request goes, and must finish() it; "wait": another one is under way;
--                               "pass": one has just learnt that the answers are not kept
--   flights.finish(key)    it is over, and the object is in the cache if it may be
--   flights.pass(key)      its answer is for itself alone, so the others need not wait for the whole of it
--   flights.wait(key)      -->  "over", "pass", or "late": it took too long
--
-- nginx's own lock lets those who wait look again each half second, one by one where the answer is not kept. It stays
-- as the second line, for what is not known to be in the cache although it is.
--
-- cirrus_flights   {key} → the pid of the worker whose request it is, or PASS
local platform = require "cirrus.platform"

local dict = ngx.shared.cirrus_flights

local _M = {}

local PASS = 0
-- Nobody waits longer for a flight, in seconds.
local LONGEST = 20
-- Seconds in which the other workers hear that answers are not kept.
local HEARD = 1
local FIRST_PAUSE, LAST_PAUSE = 0.001, 0.02

function _M.take(key)
  local done, problem = dict:add(key, ngx.worker.pid(), LONGEST)
  if done or problem ~= "exists" then
    return "lead"
  end
  return dict:get(key) == PASS and "pass" or "wait"
end

function _M.finish(key)
  dict:delete(key)
end

function _M.pass(key)
  dict:set(key, PASS, HEARD)
end

function _M.wait(key)
  local deadline, pause = ngx.now() + LONGEST, FIRST_PAUSE
  while ngx.now() < deadline do
    local pid = dict:get(key)
    if not pid or pid == PASS then
      return pid and "pass" or "over"
    end
    if pause == LAST_PAUSE and not platform.is_alive(pid) then
      dict:delete(key) -- the worker was killed, and its request with it
    end
    ngx.sleep(pause)
    pause = math.min(pause * 2, LAST_PAUSE)
  end
  return "late"
end

return _M
