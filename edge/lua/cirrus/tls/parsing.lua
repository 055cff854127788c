-- From a certificate of a document (docs/keyspace.md) to what handshakes use.
--
--   parsing.certificate({ fingerprint = "9927…", chain = PEM, key = "main:…" })
--     -->  { leaf, key, chain, … } for openssl.use; or nil, and why not
--   parsing.check(certificate)   -->  true where that would work; or nil, and why not
--
-- Certificates of authorities are parsed once for all that come with them: thousands share a few.
local ffi = require "ffi"
local keyring = require "cirrus.tls.keyring"
local memo = require "cirrus.memo"
local openssl = require "cirrus.tls.openssl"

local _M = {}

local PEM = "%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-([%w+/=%s]+)%-%-%-%-%-END CERTIFICATE%-%-%-%-%-()"
local NONE = ""

local chains = memo.new(64) -- digest of the PEM after the leaf → { stack, certificates }

local function hexadecimal(bytes)
  return (bytes:gsub(".", function(byte)
    return string.format("%02x", byte:byte())
  end))
end

local function decode(base64)
  return base64 and ngx.decode_base64((base64:gsub("%s", "")))
end

local function parse_chain(text)
  local certificates = {}
  for base64 in text:gmatch(PEM) do
    local der = decode(base64)
    local certificate = der and openssl.x509(der)
    if not certificate then
      return nil, "the certificate " .. #certificates + 2 .. " of its chain cannot be read"
    end
    certificates[#certificates + 1] = certificate
  end
  return { stack = openssl.stack(certificates), certificates = certificates }
end

-- The certificates above the leaf: { stack, … }, or nil and why not.
local function chain_of(text)
  local digest = text == NONE and NONE or openssl.sha256(text)
  local chain, why = chains:get(digest), nil
  if not chain then
    chain, why = parse_chain(text)
    if chain then
      chains:set(digest, chain)
    end
  end
  return chain, why
end

-- A chain of PEM: the leaf, its DER, and the rest; or nil and why not.
local function leaf_of(pem)
  local base64, rest = pem:match(PEM)
  local der = decode(base64)
  local leaf = der and openssl.x509(der)
  if not leaf then
    return nil, "its certificate cannot be read"
  end
  return leaf, der, (pem:sub(rest):match("^%s*(.-)%s*$"))
end

-- With a key that is open: `bytes` of DER, which are wiped here.
local function key_of(leaf, bytes, length)
  local key = openssl.private_key(bytes, length)
  openssl.wipe(bytes, length)
  if not key then
    return nil, "its private key cannot be read"
  elseif not openssl.belongs(key, leaf) then
    return nil, "its private key belongs to another certificate"
  end
  return key
end

local function assemble(leaf, rest, bytes, length)
  local key, problem = key_of(leaf, bytes, length)
  if not key then
    return nil, problem
  end
  local chain, why = chain_of(rest)
  if not chain then
    return nil, why
  end
  return { leaf = leaf, key = key, chain = chain, stack = chain.stack }
end

-- The leaf, its DER, the rest of the chain, and the key in the clear with its length; or nil and why not.
local function open(certificate)
  local leaf, der, rest = leaf_of(certificate.chain)
  if not leaf then
    return nil, der
  elseif hexadecimal(openssl.sha256(der)) ~= certificate.fingerprint then
    return nil, "its fingerprint is another one"
  end
  local bytes, length = keyring.open(certificate.key, "certificate:" .. certificate.fingerprint)
  if not bytes then
    return nil, "its private key: " .. length
  end
  return leaf, der, rest, bytes, length
end

function _M.certificate(certificate)
  local leaf, der, rest, bytes, length = open(certificate)
  if not leaf then
    return nil, der
  end
  return assemble(leaf, rest, bytes, length)
end

-- The public key that a private one on a curve of NIST's comes with (RFC 5915), if it does: its point is the end of the
-- key, after the head of a bit string.
local function point_of(bytes, length)
  for _, size in ipairs({ 65, 97 }) do
    local at = length - size
    if at > 5 and bytes[at - 5] == 0xa1 and bytes[at - 3] == 3 and bytes[at - 1] == 0 and bytes[at] == 4 then
      return ffi.string(bytes + at, size)
    end
  end
end

-- To read a private key costs OpenSSL more than all the rest, and thousands may come at once: where the certificate has
-- the very point that came with the key, it is not read before it is used.
function _M.check(certificate)
  local leaf, der, rest, bytes, length = open(certificate)
  if not leaf then
    return nil, der
  end
  local point = point_of(bytes, length)
  if point and der:find(point, 1, true) then
    openssl.wipe(bytes, length)
    local chain, why = chain_of(rest)
    return chain and true, why
  end
  local found, why = assemble(leaf, rest, bytes, length)
  return found and true, why
end

-- With a key in the clear: what this edge has made for itself.
function _M.own(pem, base64)
  local leaf, _, rest = leaf_of(pem)
  local der = ngx.decode_base64(base64)
  local bytes = ffi.new("unsigned char[?]", #der)
  ffi.copy(bytes, der, #der)
  return assemble(assert(leaf), rest, bytes, #der)
end

return _M
