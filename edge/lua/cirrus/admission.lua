-- May a request come over the TLS handshake that it came over?
--
--   admission.refusal(site, "www.example.com", "www.example.com")  -->  nil where it may; else
--     "plain"        this site has no TLS                                                       421
--     "misdirected"  the handshake was for another site, or another certificate                 421
--     "uncertified"  this site wants a client certificate, and the client has shown none        403
--     "distrusted"   … and the one that it has shown is none of those that are accepted         403
--
-- name: the server name of the handshake (SNI), "" where it had none.
--
-- HTTP/2 clients send requests for several hosts over one connection where its certificate covers all of them (RFC 9113
-- section 9.1.1); they may do so here as well. But what was settled for one domain when hands were shaken (which
-- clients it trusts) says nothing about another one: then 421 makes the client connect anew (RFC 9110 section 15.5.20).
local coverage = require "cirrus.coverage"
local sites = require "cirrus.sites"

local var = ngx.var

local _M = {}

local function is_of_one(site, host, name)
  local other = sites.find(name)
  if other == site then
    return true
  elseif not other or not other.tls or other.tls.client_auth or site.tls.client_auth then
    return false
  end
  return coverage.covers(other.host, host)
end

function _M.refusal(site, host, name)
  local tls = site.tls
  if not tls then
    return "plain"
  elseif name ~= host and not is_of_one(site, host, name:lower()) then
    return "misdirected"
  elseif tls.client_auth == "required" and var.ssl_client_verify ~= "SUCCESS" then
    return var.ssl_client_verify == "NONE" and "uncertified" or "distrusted"
  end
end

return _M
