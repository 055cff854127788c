-- The certificates of this worker, parsed once a revision. Bounded: a worker never holds all of a large CDN.
--
--   certificates.find("www.example.com")   primary name of a domain
--     -->  { leaf, key, stack, … } for openssl.use; or nil and "no_certificate" or "key"
--   certificates.check("certificate", document)   before it is taken in
--     -->  true, or nil and why this edge could not serve it
--
-- A candidate that is tried at this edge is served instead of the current certificate.
local certificate_checks = require "cirrus.certificate_checks"
local cjson = require "cjson.safe"
local keyring = require "cirrus.tls.keyring"
local memo = require "cirrus.memo"
local openssl = require "cirrus.tls.openssl"
local parsing = require "cirrus.tls.parsing"
local settings = require "cirrus.settings"
local store = require "cirrus.store"

local _M = {}

local KIND = "certificate"
local PARSED = 8192 -- some 12 kB each
local REMEMBERED_FAILURE = 5 -- seconds until a certificate that cannot be used is tried again

local parsed = memo.new(PARSED)

local function served(document)
  return certificate_checks.served(document, settings.get().node)
end

local function parse(host)
  local document = cjson.decode(store.text(KIND, host) or "")
  local certificate = document and served(document)
  if not certificate then
    return { reason = "no_certificate" }
  end
  local found, why = parsing.certificate(certificate)
  if not found then
    ngx.log(ngx.ERR, "the certificate of ", host, " cannot be served: ", why)
    return { reason = "key", again_at = ngx.now() + REMEMBERED_FAILURE }
  end
  return found
end

function _M.find(host)
  local rev, epoch = store.revision(KIND, host)
  if not rev then
    return nil, "no_certificate"
  end
  local found = parsed:get(host)
  if not found or found.rev ~= rev or found.epoch ~= epoch or (found.again_at or math.huge) < ngx.now() then
    found = parse(host)
    found.rev, found.epoch = rev, epoch
    parsed:set(host, found)
  end
  if not found.leaf then
    return nil, found.reason
  end
  return found
end

-- Both that this edge may have to serve.
local function check_certificates(document)
  local own = settings.get().node
  for _, name in ipairs({ "current", "candidate" }) do
    local certificate = document[name]
    if type(certificate) == "table" and (certificate.node or own) == own then
      local good, why = parsing.check(certificate)
      if not good then
        return nil, name .. ": " .. why
      end
    end
  end
  return true
end

-- name(16), HMAC key (32) and AES key (32) of session tickets
_M.TICKET_KEY = 80

local function check_tickets(document)
  for _, key in ipairs(document.keys) do
    local bytes, length = keyring.open(key.key, "tickets:" .. key.id)
    if not bytes then
      return nil, "keys " .. key.id .. ": " .. length
    end
    openssl.wipe(bytes, length)
    if length ~= _M.TICKET_KEY then
      return nil, "keys " .. key.id .. " has " .. length .. " bytes, not " .. _M.TICKET_KEY
    end
  end
  return true
end

-- An edge without HTTPS needs none of them, and takes all.
function _M.check(kind, document)
  if not settings.get().https then
    return true
  elseif kind == KIND then
    return check_certificates(document)
  elseif kind == "tickets" then
    return check_tickets(document)
  end
  return true
end

return _M
