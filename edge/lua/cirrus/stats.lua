-- Traffic by domain and minute: from the workers through shared memory into cdn:stats:{node}:{minute}.
--
--   stats.add(tally.drain(), ngx.time())     stats.store()     stats.send()
--
-- Each worker writes what it has counted of a minute as one text per domain, always the whole sum so far, into an
-- entry of its own: nothing is added twice, whatever is tried again, and entries of workers that have gone stay.
-- Worker 0 adds up the entries of a minute and sets the sums in Redis, again as whole values.
--
-- In shared memory:  n|MINUTE   how many entries there are       e|MINUTE|I   entry I, as rollup.pack made it
--                    v|MINUTE   grows with each written entry    s|MINUTE     v when it was sent last
--                    q|MINUTE   requests that have been sent
local cjson = require "cjson.safe"
local connection = require "cirrus.connection"
local keyspace = require "cirrus.keyspace"
local metrics = require "cirrus.metrics"
local rollup = require "cirrus.rollup"
local settings = require "cirrus.settings"

local dict = ngx.shared.cirrus_traffic
local state = ngx.shared.cirrus_state

local _M = {}

local KEEP_MINUTES = 10       -- what could not be sent for so long is dropped, and counted
local ENTRY_TTL = (KEEP_MINUTES + 5) * 60
local REDIS_TTL = 2 * 86400   -- seconds that a minute is kept in Redis
local MAX_HOSTS = 10000       -- domains with traffic in one minute of one worker
local HOSTS_A_COMMAND = 50
local A_TURN = 50             -- entries dealt with before other work of the worker has its turn
local SENDING_TTL = 60

local minutes = {}            -- minute → { hosts = { host → record }, count, changed = { host → true }, entries }

local function minute_of(time)
  local number = math.floor(time / 60)
  local minute = minutes[number]
  if not minute then
    minute = { hosts = {}, count = 0, changed = {}, entries = {} }
    minutes[number] = minute
  end
  return minute
end

local function record_of(minute, host)
  local record = minute.hosts[host]
  if not record then
    if minute.count >= MAX_HOSTS then
      return nil
    end
    record = rollup.new()
    minute.hosts[host] = record
    minute.count = minute.count + 1
  end
  minute.changed[host] = true
  return record
end

-- Take in a batch of the tally: it belongs to the minute of `time`, which is off by a flush at most.
function _M.add(batch, time)
  local minute = minute_of(time)
  for _, cell in ipairs(batch.cells) do
    local record = record_of(minute, cell.host)
    if record then
      rollup.request(record, cell.cache, cell.status, cell[1], cell[2])
    else
      metrics.count("cirrus_traffic_dropped_total", nil, cell[1])
    end
  end
  for host, sums in pairs(batch.origins) do
    local record = record_of(minute, host)
    if record then
      rollup.origin(record, sums[1], sums[2])
    end
  end
  for i = 1, #batch.paths, 3 do
    local record = minute.hosts[batch.paths[i]]
    if record then
      rollup.path(record, batch.paths[i + 1], batch.paths[i + 2])
    end
  end
end

-- One more under this key; nil where there is no memory. (incr's own first value would drive out other entries.)
local function grow(key)
  dict:safe_add(key, 0, ENTRY_TTL)
  return dict:incr(key, 1)
end

local function put(number, i, text)
  return dict:safe_set("e|" .. number .. "|" .. i, text, ENTRY_TTL) and grow("v|" .. number)
end

local function store_host(number, minute, host)
  local i = minute.entries[host] or grow("n|" .. number)
  minute.entries[host] = i
  if not i or not put(number, i, rollup.pack(host, minute.hosts[host])) then
    minute.changed[host] = true -- no memory now; the next turn tries again
  end
end

-- Forget the minutes that are over and stored, and those for which there was no memory all the time.
local function forget_own(this_minute)
  local over = {}
  for number, minute in pairs(minutes) do
    if number < this_minute and not next(minute.changed) then
      over[#over + 1] = number
    elseif number <= this_minute - KEEP_MINUTES then
      over[#over + 1] = number
      for host in pairs(minute.changed) do
        metrics.count("cirrus_traffic_dropped_total", nil, minute.hosts[host].requests)
      end
    end
  end
  for _, number in ipairs(over) do
    minutes[number] = nil
  end
end

local function list_of_minutes()
  local list = {}
  for number in pairs(minutes) do
    list[#list + 1] = number
  end
  return list
end

-- Write what has changed into shared memory. `at_once`: without letting other work of the worker pass.
function _M.store(at_once)
  for _, number in ipairs(list_of_minutes()) do
    local minute = minutes[number]
    local changed, written = minute.changed, 0
    minute.changed = {}
    for host in pairs(changed) do
      store_host(number, minute, host)
      written = written + 1
      if not at_once and written % A_TURN == 0 then
        ngx.sleep(0.001)
      end
    end
  end
  forget_own(math.floor(ngx.time() / 60))
end

-- host → record of everything that the entries of a minute say, and the number of requests.
local function sums_of(number)
  local sums, requests = {}, 0
  for i = 1, dict:get("n|" .. number) or 0 do
    local text = dict:get("e|" .. number .. "|" .. i)
    if text then
      rollup.unpack(text, sums)
    end
    if i % A_TURN == 0 then
      ngx.sleep(0.001)
    end
  end
  for _, record in pairs(sums) do
    requests = requests + record.requests
  end
  return sums, requests
end

local function forget(number)
  for i = 1, dict:get("n|" .. number) or 0 do
    dict:delete("e|" .. number .. "|" .. i)
  end
  for _, what in ipairs({ "n", "v", "s", "q" }) do
    dict:delete(what .. "|" .. number)
  end
end

local function drop_old(this_minute)
  for number = this_minute - KEEP_MINUTES - 4, this_minute - KEEP_MINUTES do
    local version = dict:get("v|" .. number)
    if version and version ~= dict:get("s|" .. number) then
      local _, requests = sums_of(number)
      local sent = dict:get("q|" .. number) or 0
      metrics.count("cirrus_traffic_dropped_total", nil, math.max(0, requests - sent))
    end
    if version then
      forget(number)
    end
  end
end

-- An edge that is started again within a minute would set smaller sums: what the one before had sent counts as
-- one more worker's entries.
local function take_over(call)
  if state:get("traffic_taken_over") then
    return
  end
  local number = math.floor((state:get("started") or 0) / 60)
  local fields = call("hgetall", keyspace.stats_key(settings.get().node, number))
  for i = 1, #fields, 2 do
    local document = cjson.decode(fields[i + 1])
    if type(document) == "table" then
      local place = grow("n|" .. number)
      if place then
        put(number, place, rollup.pack(fields[i], rollup.of_document(document)))
      end
    end
  end
  state:set("traffic_taken_over", true)
end

local known = {} -- minute → host → requests as they were sent: what has not changed is not sent again

local function commands_for(number, sums)
  local key = keyspace.stats_key(settings.get().node, number)
  local before = known[number] or {}
  local commands, command, now = {}, nil, {}
  for host, record in pairs(sums) do
    local mark = record.requests .. "/" .. record.origin_requests
    now[host] = mark
    if before[host] ~= mark then
      if not command or #command >= 2 + 2 * HOSTS_A_COMMAND then
        command = { "hset", key }
        commands[#commands + 1] = command
        ngx.sleep(0.001)
      end
      command[#command + 1] = host
      command[#command + 1] = cjson.encode(rollup.document(record))
    end
  end
  if #commands > 0 then
    commands[#commands + 1] = { "expire", key, REDIS_TTL }
  end
  return commands, now
end

local function send_minute(pipeline, number, this_minute)
  local version = dict:get("v|" .. number)
  if not version then
    return
  end
  if version ~= dict:get("s|" .. number) then
    local sums, requests = sums_of(number)
    local commands, now = commands_for(number, sums)
    if #commands > 0 then
      pipeline(commands)
    end
    known[number] = now
    dict:safe_set("s|" .. number, version, ENTRY_TTL)
    dict:safe_set("q|" .. number, requests, ENTRY_TTL)
  elseif number < this_minute - 2 then
    known[number] = nil
    forget(number)
  end
end

local function send_all(this_minute)
  local call, pipeline, close = connection.open(settings.get().redis)
  local done, problem = pcall(function()
    take_over(call)
    for number = this_minute - KEEP_MINUTES + 1, this_minute do
      send_minute(pipeline, number, this_minute)
    end
  end)
  close()
  if not done then
    error(problem, 0)
  end
end

local function anything_to_send(this_minute)
  for number = this_minute - KEEP_MINUTES + 1, this_minute do
    local version = dict:get("v|" .. number)
    if version and (version ~= dict:get("s|" .. number) or number < this_minute - 2) then
      return true
    end
  end
end

-- Bring the sums to Redis. Two workers 0 overlap at a reload: one of them sends at a time.
function _M.send()
  if not state:add("traffic_sending", true, SENDING_TTL) then
    return
  end
  local this_minute = math.floor(ngx.time() / 60)
  drop_old(this_minute)
  local done, raised = true, nil
  if anything_to_send(this_minute) then
    done, raised = pcall(send_all, this_minute)
  end
  local problem = done and "" or type(raised) == "table" and raised.unreachable or tostring(raised)
  if problem ~= "" and state:get("traffic_problem") ~= problem then
    ngx.log(ngx.ERR, "traffic could not be sent: ", problem)
  end
  state:set("traffic_problem", problem)
  state:delete("traffic_sending")
end

return _M
