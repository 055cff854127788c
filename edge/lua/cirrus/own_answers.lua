-- What this edge answers by itself instead of its cache and the origin, as far as the URL alone decides it.
--
--   own_answers.look(site, entry)    sets, looked up anew after each change:
--     entry.own     "challenge": what a certificate authority asks for, in entry.proof
--                   "redirect":  to the same URL over HTTPS
--                   "secured":   this site asks for client certificates, which HTTP has none of
--                   nil:         nothing
--     entry.hsts    the value of Strict-Transport-Security (RFC 6797), for https; or nil
--
-- What depends on the connection is in cirrus.admission.
local challenges = require "cirrus.challenges"
local coverage = require "cirrus.coverage"
local settings = require "cirrus.settings"

local _M = {}

local WELL_KNOWN = "/.well-known/acme-challenge/"
local find, sub = string.find, string.sub

-- The token that a normalized path asks for, or nil.
function _M.token(path)
  if find(path, WELL_KNOWN, 1, true) == 1 then
    return sub(path, #WELL_KNOWN + 1)
  end
end

local function hsts(tls)
  return "max-age=" .. tls.hsts.max_age .. (tls.hsts.subdomains and "; includeSubDomains" or "")
end

local function over_http(site, entry)
  local tls = site.tls
  if tls.https_only and settings.get().https and coverage.covers(site.host, entry.host) then
    return "redirect"
  end
  return tls.client_auth == "required" and "secured" or nil
end

function _M.look(site, entry)
  entry.own, entry.hsts = nil, nil
  entry.proof = entry.token and challenges.proof(site.host, entry.token)
  local tls = site.tls
  if entry.proof then
    entry.own = "challenge"
  elseif tls and entry.scheme == "http" then
    entry.own = over_http(site, entry)
  elseif tls and tls.hsts and coverage.covers(site.host, entry.host) then
    entry.hsts = hsts(tls)
  end
end

return _M
