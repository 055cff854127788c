-- Fetch anew, in the background, what a soft purge has made stale: one request of this edge to itself, past the cache,
-- whose answer takes the old one's place. Meanwhile clients are served the old one.
--
--   refresh.start(entry)      of the request that is being served; does nothing while one is under way
local metrics = require "cirrus.metrics"
local settings = require "cirrus.settings"

local marks = ngx.shared.cirrus_flights

local _M = {}

-- Seconds until a refresh that has brought nothing is tried again.
local AGAIN = 10
-- How many of them a worker does at a time: a purge must not become an attack on the origin.
local MOST = 16
local CONNECT, SEND, READ = 1000, 5000, 60000

-- What describes the client's connection or an answer that it has already; not part of the question.
local NOT_SENT = {
  ["connection"] = true, ["keep-alive"] = true, ["range"] = true, ["if-range"] = true, ["if-none-match"] = true,
  ["if-modified-since"] = true, ["if-match"] = true, ["if-unmodified-since"] = true, ["content-length"] = true,
  ["transfer-encoding"] = true, ["upgrade"] = true, ["expect"] = true, ["te"] = true, ["cirrus-stamp"] = true,
  ["x-cirrus-scheme"] = true, ["host"] = true,
  -- The new answer is for everybody, so nobody's credentials may shape it.
  ["authorization"] = true, ["cookie"] = true,
}

local function question()
  local lines = { "GET " .. ngx.var.request_uri .. " HTTP/1.1", "Host: " .. ngx.var.host }
  for name, value in pairs(ngx.req.get_headers(100, true)) do
    if not NOT_SENT[name:lower()] then
      for _, each in ipairs(type(value) == "table" and value or { value }) do
        lines[#lines + 1] = name .. ": " .. tostring(each)
      end
    end
  end
  lines[#lines + 1] = "X-Cirrus-Scheme: " .. ngx.var.scheme
  lines[#lines + 1] = "Connection: close\r\n\r\n"
  return table.concat(lines, "\r\n")
end

local function ask(text)
  local socket = ngx.socket.tcp()
  socket:settimeouts(CONNECT, SEND, READ)
  local done, problem = socket:connect("unix:" .. settings.get().refresh_socket)
  if done then
    done, problem = socket:send(text)
  end
  while done do
    done, problem = socket:receiveany(65536)
  end
  socket:close()
  return problem == "closed", problem
end

local running = 0

local function run(premature, text)
  if premature then
    return
  end
  local called, done, problem = pcall(ask, text)
  running = running - 1
  if not called then
    done, problem = nil, done
  end
  if not done then
    ngx.log(ngx.ERR, "could not refresh what a purge has made stale: ", problem)
  end
  metrics.count("cirrus_refreshes_total", done and "done" or "failed")
end

-- What is under way: this variant of this object, because of this purge. Another variant needs a fetch of its own, and
-- so does a purge that came after the fetch.
local function name_of(entry)
  local parts = { entry.key, entry.soft, entry.soft_tags }
  for header in (ngx.var.upstream_http_x_cirrus_vary or ""):gmatch("[^%s,]+") do
    parts[#parts + 1] = ngx.var["http_" .. header:lower():gsub("-", "_")] or ""
  end
  return "refresh:" .. ngx.md5(table.concat(parts, "\n"))
end

function _M.start(entry)
  if running >= MOST then
    return -- the next request for it tries again
  end
  if marks:safe_add(name_of(entry), 1, AGAIN) then
    local done, problem = ngx.timer.at(0, run, question())
    if done then
      running = running + 1
    else
      ngx.log(ngx.ERR, "could not refresh what a purge has made stale: ", problem)
    end
  end
end

return _M
