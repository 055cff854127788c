-- What a handshake for a server name (SNI) goes by, found once for each name until something changes.
--
--   profiles.find("www.example.com")
--     -->  { certificate = {…}, is_modern = false, sessions = "…32 bytes…", ca = nil }
--     -->  nil and "unknown_name", "no_certificate", "key" or "loading"
--
-- sessions   what binds sessions to their domain: one that began elsewhere, or under another list of authorities for
--            client certificates, is not resumed, since it would carry over what was found out there
-- ca         the authorities that a client's certificate must come from; nil: none is asked for
local beacon = require "cirrus.beacon"
local certificates = require "cirrus.tls.certificates"
local memo = require "cirrus.memo"
local openssl = require "cirrus.tls.openssl"
local sites = require "cirrus.sites"
local ssl = require "ngx.ssl"

local _M = {}

local NAMES = 8192
local VERSION = beacon.VERSION

local by_name = memo.new(NAMES)

-- An unreadable list means that nobody is verified.
local function authorities(site)
  if not site.tls.client_auth then
    return nil
  end
  local ca, problem = ssl.parse_pem_cert(site.tls.client_ca or "")
  openssl.clear_errors()
  if not ca then
    ngx.log(ngx.ERR, "the authorities for clients of ", site.host, " cannot be read: ", problem)
  end
  return ca
end

-- It has no site: those are many, and bounded elsewhere.
local function new_profile(site)
  local tls = site.tls
  return {
    rev = site.rev, epoch = site.epoch, host = site.host,
    is_modern = tls.policy == "modern",
    sessions = openssl.sha256(site.id .. "|" .. (tls.client_auth or "") .. "|" .. (tls.client_ca or "")),
    ca = authorities(site),
  }
end

local function look_up(name, version)
  local site, why = sites.find(name)
  if not site or not site.tls then
    return nil, why == "loading" and why or "unknown_name"
  end
  local certificate, reason = certificates.find(site.host)
  if not certificate then
    return nil, reason
  end
  local profile = by_name:get(name)
  if not profile or profile.rev ~= site.rev or profile.epoch ~= site.epoch or profile.host ~= site.host then
    profile = new_profile(site)
  end
  profile.certificate, profile.version = certificate, version
  by_name:set(name, profile)
  return profile
end

-- name: in lower case.
function _M.find(name)
  local version = beacon.numbers()[VERSION]
  local profile = by_name:get(name)
  if profile and profile.version == version then
    return profile
  end
  return look_up(name, version)
end

return _M
