-- Which objects are being fetched: one request goes, the others wait for it and are released together.
--
--   flights.take(key)      -->  "lead": this request goes, and must finish() it; "wait": another one is under way;
--                               "pass": one has just learnt that the answers are not kept
--   flights.land(key)      the whole answer has come and is being stored: however slow the client is that it was for
--   flights.finish(key)    it is over, and the object is in the cache if it may be
--   flights.pass(key)      its answer is for itself alone, so the others need not wait for the whole of it
--   flights.wait(key)      -->  "over", "pass", or "late": it took too long
--   flights.name(key, is_authorized)   those with credentials wait for each other alone, as what is for one of them
--                          alone may well be kept for everybody else
--
-- nginx's own lock lets those who wait look again each half second, one by one where the answer is not kept. It stays
-- as the second line, for what is not known to be in the cache although it is.
--
-- cirrus_flights   {digest of the key} → the pid of the worker whose request it is, or PASS, or LANDED
local platform = require "cirrus.platform"

local dict = ngx.shared.cirrus_flights
local digest = ngx.md5_bin

local _M = {}

local PASS, LANDED = 0, -1
-- Nobody waits longer for a flight, in seconds.
local LONGEST = 20
-- Seconds in which the other workers hear that answers are not kept; and from the last byte to the file in its place.
local HEARD, LANDING = 1, 0.005
local FIRST_PAUSE, LAST_PAUSE = 0.001, 0.02

function _M.name(key, is_authorized)
  local name = digest(is_authorized and key .. " authorized" or key)
  return name
end

function _M.take(name)
  local done, problem = dict:add(name, ngx.worker.pid(), LONGEST)
  if done or problem ~= "exists" then
    return "lead"
  end
  return dict:get(name) == PASS and "pass" or "wait"
end

function _M.land(name)
  local pid = dict:get(name)
  if pid and pid > 0 then
    dict:set(name, LANDED, HEARD)
  end
end

function _M.finish(name)
  dict:delete(name)
end

function _M.pass(name)
  dict:set(name, PASS, HEARD)
end

function _M.wait(name)
  local deadline, pause = ngx.now() + LONGEST, FIRST_PAUSE
  while ngx.now() < deadline do
    local pid = dict:get(name)
    if pid == LANDED then
      ngx.sleep(LANDING)
      return dict:get(name) == PASS and "pass" or "over" -- the cache tier may have learnt that it is not kept
    elseif not pid or pid == PASS then
      return pid and "pass" or "over"
    end
    if pause == LAST_PAUSE and not platform.is_alive(pid) then
      dict:delete(name) -- the worker was killed, and its request with it
    end
    ngx.sleep(pause)
    pause = math.min(pause * 2, LAST_PAUSE)
  end
  return "late"
end

return _M
