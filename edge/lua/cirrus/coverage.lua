-- Which names the certificate of a domain is for, as this edge serves it: what redirects and HSTS may rely on.
--
--   coverage.covers("www.example.com", "shop.example.com")   is there a real certificate of this domain for the name?
--   coverage.of("www.example.com")  -->  { fingerprint, not_after, placeholder, names = { ["*.example.com"] = true } }
--
-- A placeholder covers nothing: no client should be sent to it. One that has expired does: to go back to HTTP then
-- would be worse. Read once a revision and worker; the chain and the key are left to those who shake hands.
local certificate_checks = require "cirrus.certificate_checks"
local cjson = require "cjson.safe"
local memo = require "cirrus.memo"
local settings = require "cirrus.settings"
local store = require "cirrus.store"

local _M = {}

local KIND = "certificate"
local SITES = 2048
local read = memo.new(SITES) -- primary host → what `of` returns, with rev and epoch

local function read_document(host)
  local document = cjson.decode(store.text(KIND, host) or "")
  local served = document and certificate_checks.served(document, settings.get().node)
  local known = { names = {}, placeholder = true }
  if served then
    for _, name in ipairs(served.names) do
      known.names[name] = true
    end
    known.fingerprint, known.not_after, known.placeholder = served.fingerprint, served.not_after, served.placeholder
  end
  return known
end

-- host: the domain's primary name. nil where this edge has no certificate of it.
function _M.of(host)
  local rev, epoch = store.revision(KIND, host)
  if not rev then
    return nil
  end
  local known = read:get(host)
  if not known or known.rev ~= rev or known.epoch ~= epoch then
    known = read_document(host)
    known.rev, known.epoch = rev, epoch
    read:set(host, known)
  end
  return known
end

-- A wildcard of a certificate stands for exactly one label (RFC 9525 section 6.3).
function _M.covers(host, name)
  local known = _M.of(host)
  if not known or known.placeholder then
    return false
  end
  return known.names[name] or known.names["*" .. (name:match("^[^.]+(%..+)$") or "")] or false
end

return _M
