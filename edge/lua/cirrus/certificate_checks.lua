-- What the documents of the kinds certificate, challenge and tickets must look like, and the part of a domain's
-- document that is about TLS (docs/keyspace.md).
--
-- Whether a key can be opened and belongs to its chain is found out where it is opened; here is what can be told
-- without.
local checks = require "cirrus.checks"
local limits = require "cirrus.limits"

local boolean, integer, list, one_of = checks.boolean, checks.integer, checks.list, checks.one_of
local optional, text = checks.optional, checks.text

local _M = {}

local NODE = "^[%w%-]+$"
local HOST = "^%*?[%l%d%.%-_]+$"
-- accounts/sealing.py: the id of a key, and base64url of nonce, ciphertext and tag.
local SEALED = "^[%w_.%-]+:[%w_%-]+=?=?$"
local BASE64URL = "^[%w_%-]+$"

local PEM_START = "-----BEGIN CERTIFICATE-----"
local TIME = integer(0, 2 ^ 53)

-- One certificate or more, PEM. A key that somebody has pasted along would be known to whoever connects.
local function chain(value)
  local problem = text(1, limits.CHAIN)(value)
  if problem then
    return problem
  elseif value:sub(1, #PEM_START) ~= PEM_START then
    return "must begin with " .. PEM_START
  elseif value:find("PRIVATE KEY", 1, true) then
    return "must not have a private key in it"
  end
end

local SEALED_KEY = text(1, limits.SEALED_KEY, SEALED)

local CERTIFICATE = {
  fingerprint = text(64, 64, "^[%l%d]+$"),
  chain = chain,
  key = SEALED_KEY,
  names = list(1, limits.CERTIFICATE_NAMES, text(1, 253, HOST)),
  not_before = TIME,
  not_after = TIME,
  placeholder = boolean,
}

-- JSON's null, as cjson has it, is the same as nothing.
local function is_given(value)
  return value ~= nil and type(value) ~= "userdata"
end

local function if_given(fields)
  return function(value)
    return is_given(value) and checks.fields(value, fields) or nil
  end
end

local CANDIDATE = { node = text(1, 63, NODE) }
for name, check in pairs(CERTIFICATE) do
  CANDIDATE[name] = check
end

_M.certificate = {
  id = integer(1, 2 ^ 53),
  host = text(1, 253, HOST),
  current = if_given(CERTIFICATE),
  candidate = if_given(CANDIDATE),
}

-- token → key authorization (RFC 8555 section 8.1)
local function tokens(value)
  if type(value) ~= "table" then
    return "must be an object"
  end
  local count = 0
  for token, proof in pairs(value) do
    count = count + 1
    if type(token) ~= "string" or #token > limits.TOKEN or not token:match(BASE64URL) then
      return "must have tokens of up to " .. limits.TOKEN .. " characters of base64url for names"
    end
    local problem = text(1, 2 * limits.TOKEN, "^[%w_%-]+%.[%w_%-]+$")(proof)
    if problem then
      return token .. " " .. problem
    end
  end
  if count > limits.TOKENS then
    return "must have no more than " .. limits.TOKENS
  end
end

_M.challenge = {
  id = integer(1, 2 ^ 53),
  host = text(1, 253, HOST),
  tokens = tokens,
}

_M.tickets = {
  keys = list(0, limits.TICKET_KEYS, {
    id = text(1, 64, NODE),
    active_from = TIME,
    key = SEALED_KEY,
  }),
}

-- `tls` of a domain.
_M.tls = {
  policy = one_of("modern", "intermediate"),
  https_only = boolean,
  hsts = optional({ max_age = integer(1, limits.HSTS), subdomains = boolean }),
  client_auth = optional(one_of("optional", "required")),
  client_ca = optional(function(value)
    return text(1, limits.CLIENT_CA)(value) or chain(value)
  end),
}

-- What one field alone cannot tell: nothing, or what is wrong.
function _M.whole_certificate(document)
  local is_any = false
  for _, name in ipairs({ "current", "candidate" }) do
    local certificate = document[name]
    if is_given(certificate) then
      is_any = true
      if certificate.not_after <= certificate.not_before then
        return name .. " not_after must be after not_before"
      end
    end
  end
  return not is_any and "it has neither a current certificate nor a candidate" or nil
end

function _M.whole_tls(tls)
  if tls and tls.client_auth and not tls.client_ca then
    return "tls client_ca is missing, and client_auth is " .. tls.client_auth
  end
end

-- The certificate of a document that `node` serves: the candidate that is tried there, else the current one, or nil.
function _M.served(document, node)
  local candidate, current = document.candidate, document.current
  if is_given(candidate) and candidate.node == node then
    return candidate
  end
  return is_given(current) and current or nil
end

return _M
