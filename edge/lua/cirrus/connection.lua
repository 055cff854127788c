-- The connection of the subscriber to Redis: where to, as whom, and replies as Lua values.
--
--   local redis = assert(connection.open(settings.get().redis))
--   redis("hmget", "cdn:meta", "epoch", "rev")  -->  { "1", "17" }; a missing value is nil-safe ngx.null
--
-- A call raises { unreachable = "…" } where Redis did not answer or said no: the subscriber's loop is the
-- one place that catches it, and connects again.
local platform = require "cirrus.platform"
local resolver = require "cirrus.resolver"
local ssl = require "ngx.ssl"

local _M = {}

local CONNECT_TIMEOUT, SEND_TIMEOUT = 1000, 1000
-- Longer than the longest blocking read.
local READ_TIMEOUT = 5000

local function unreachable(action, problem)
  error({ unreachable = "Redis: could not " .. action .. ": " .. tostring(problem) }, 0)
end

local function read(path)
  local file, problem = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text, problem
end

-- What this edge shows a Redis that asks for a certificate: read by the master, which may read the key.
local certificate, key

-- In init_by_lua. where: as below.
function _M.prepare(where)
  certificate, key = nil, nil
  local tls = where.tls
  if tls and tls.certificate then
    certificate = assert(ssl.parse_pem_cert(assert(read(tls.certificate))))
    key = assert(ssl.parse_pem_priv_key(assert(read(tls.key))))
  end
end

-- A handshake that fails may raise as well.
local function secure(client, where)
  local socket = rawget(client, "_sock")
  local is_well, done, problem = pcall(function()
    if certificate then
      local shown, why = socket:setclientcert(certificate, key)
      if not shown then
        return nil, why
      end
    end
    return socket:sslhandshake(false, where.host, true)
  end)
  if is_well and done then
    return true
  end
  client:close()
  return nil, is_well and problem or done
end

-- nginx's own sockets know no names without a `resolver` directive, so each address is tried here.
local function connect(client, where)
  if where.path then
    return client:connect("unix:" .. where.path)
  end
  local addresses, problem = resolver.look_up(where.host)
  local done
  for _, address in ipairs(addresses or {}) do
    address = address:find(":", 1, true) and "[" .. address .. "]" or address
    done, problem = client:connect(address, where.port)
    if done and where.tls then
      done, problem = secure(client, where)
    end
    if done then
      return done
    end
  end
  return nil, problem
end

-- where: { host, port } or { path }, and username, password, database; tls: { certificate, key } (paths, or nothing),
-- where it speaks TLS: it must show a certificate for `host` that nginx's lua_ssl_trusted_certificate vouches for.
-- Returns a function that sends one command, and one that sends several in one round trip.
function _M.open(where)
  local client = platform.redis():new()
  client:set_timeouts(CONNECT_TIMEOUT, SEND_TIMEOUT, READ_TIMEOUT)
  local done, problem = connect(client, where)
  if not done then
    unreachable("connect", problem)
  end

  local function call(command, ...)
    local reply, why = client[command](client, ...)
    if reply == false or reply == nil then
      unreachable(command, why)
    end
    return reply
  end

  local function pipeline(commands)
    client:init_pipeline(#commands)
    for _, command in ipairs(commands) do
      client[command[1]](client, unpack(command, 2))
    end
    local replies, why = client:commit_pipeline()
    if not replies then
      unreachable("send a batch", why)
    end
    for i, reply in ipairs(replies) do
      if type(reply) == "table" and reply[1] == false then
        unreachable(commands[i][1], reply[2])
      end
    end
    return replies
  end

  if where.password and where.username then
    call("auth", where.username, where.password)
  elseif where.password then
    call("auth", where.password)
  end
  if where.database ~= 0 then
    call("select", where.database)
  end
  return call, pipeline, function()
    client:close()
  end
end

return _M
