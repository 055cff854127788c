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
local dict = ngx.shared.cirrus_flights

local _M = {}

local FLYING, PASS = 1, 2
-- A flight that nobody ended (its worker was killed) is over after so many seconds; nobody waits longer.
local LONGEST = 20
-- Seconds in which the other workers hear that answers are not kept.
local HEARD = 1
local FIRST_PAUSE, LAST_PAUSE = 0.001, 0.02

function _M.take(key)
  local done, problem = dict:add(key, FLYING, LONGEST)
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
    local state = dict:get(key)
    if state ~= FLYING then
      return state == PASS and "pass" or "over"
    end
    ngx.sleep(pause)
    pause = math.min(pause * 2, LAST_PAUSE)
  end
  return "late"
end

return _M
