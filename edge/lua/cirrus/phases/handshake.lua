-- What TLS handshakes depend on (RFC 8446). No I/O.
--
--   handshake.hello()         ssl_client_hello_by_lua: which certificate, which versions of TLS, whose sessions
--   handshake.ask_client()    ssl_certificate_by_lua, where the client is asked for a certificate. Others never enter
--                             it: another step in Lua would cost each handshake a few per cent.
local certificates = require "cirrus.tls.parsing"
local counters = require "cirrus.tls.counters"
local hello = require "ngx.ssl.clienthello"
local keyring = require "cirrus.tls.keyring"
local openssl = require "cirrus.tls.openssl"
local profiles = require "cirrus.tls.profiles"
local ssl = require "ngx.ssl"
local tickets = require "cirrus.tls.tickets"

local UNRECOGNIZED_NAME = 112 -- RFC 6066 section 3
local SUPPORTED_VERSIONS = 43 -- RFC 8446 section 4.2.1
local DEPTH = 5               -- of a client's chain

local _M = {}

local placeholder

-- OpenSSL's own alert says that something is wrong here, which it is but for a name of nobody.
local function refuse(connection, phase, reason)
  counters.failed(phase, reason)
  if reason == "unknown_name" then
    openssl.alert(connection, UNRECOGNIZED_NAME)
  end
  return ngx.exit(ngx.ERROR)
end

-- A name of nobody: where the operator wants it, the client gets as far as to a 404.
local function answer_stranger(connection)
  local own = keyring.placeholder()
  if not own then
    return refuse(connection, "client_hello", "unknown_name")
  end
  placeholder = placeholder or assert(certificates.own(own.chain, own.key))
  openssl.without_tickets(connection)
  openssl.skip_certificate_phase(connection)
  openssl.use(connection, placeholder.leaf, placeholder.key, placeholder.stack)
end

local function knows_1_3()
  local versions = hello.get_client_hello_ext(SUPPORTED_VERSIONS) or ""
  for place = 2, #versions, 2 do
    if versions:sub(place, place + 1) == "\3\4" then
      return true
    end
  end
  return false
end

-- OpenSSL refuses what is too old by itself; here it gets a name.
local function hold_to_policy(connection, profile)
  local is_too_old = openssl.legacy_version(connection) < openssl.TLS_1_2
  if profile.is_modern then
    openssl.require_version(connection, openssl.TLS_1_3)
    is_too_old = is_too_old or not knows_1_3()
  end
  if is_too_old then
    counters.failed("client_hello", "protocol")
  end
end

function _M.hello()
  local connection = openssl.connection()
  counters.watch(connection)
  local name = hello.get_client_hello_server_name()
  local profile, reason = profiles.find(name and name:lower() or "")
  if reason == "unknown_name" then
    return answer_stranger(connection)
  elseif not profile then
    return refuse(connection, "certificate", reason)
  end
  hold_to_policy(connection, profile)
  tickets.prepare(connection)
  openssl.bind_sessions(connection, profile.sessions)
  if not profile.ca then
    openssl.skip_certificate_phase(connection)
  end
  local certificate = profile.certificate
  if not openssl.use(connection, certificate.leaf, certificate.key, certificate.stack) then
    return refuse(connection, "certificate", "key")
  end
end

-- A client that shows none, or a wrong one, is not refused here: it is told in an answer that it can read.
function _M.ask_client()
  local name = ssl.server_name()
  local profile = profiles.find(name and name:lower() or "")
  assert(ssl.verify_client(assert(profile).ca, DEPTH))
end

return _M
