-- set_by_lua for $cirrus_site: the domain that this request is for, and the door that it takes ($cirrus_door):
--   memory    a small hot object, in $cirrus_body          cache    the cache on disk
--   capture   as cache, and memory takes a copy            slices   as cache, in parts
--   lead      as cache, and others wait for it             wait      for another request that fetches the same
--   pass      straight to the origin                       own       an answer of our own, which $cirrus_own names
-- No coroutine, no I/O: this is all the Lua that runs before the cache.
local admission = require "cirrus.admission"
local beacon = require "cirrus.beacon"
local challenges = require "cirrus.challenges"
local client_certificates = require "cirrus.client_certificates"
local fetch = require "cirrus.phases.fetch"
local flights = require "cirrus.flights"
local handover = require "cirrus.handover"
local hot = require "cirrus.hot"
local metrics = require "cirrus.metrics"
local own_answers = require "cirrus.own_answers"
local passes = require "cirrus.passes"
local request_id = require "cirrus.request_id"
local routing = require "cirrus.routing"
local sites = require "cirrus.sites"
local tags = require "cirrus.tags"

local var = ngx.var
local now = ngx.now
local count = metrics.count
local find = sites.find
local MODE, READY = beacon.MODE, beacon.READY
local STAMP = tags.HEADER

local _M = {}

-- What the cache and the fetch tier must know of this request.
local function describe(entry)
  var.cirrus_key = entry.key
  if entry.fill > 0 then
    var.cirrus_fill = entry.fill
  end
  if entry.rule then
    var.cirrus_rule = entry.rule.id
  end
  if entry.stamp then
    var.cirrus_stamp = entry.stamp
    ngx.req.set_header(STAMP, entry.stamp)
  end
end

local function note_pass(site, entry, moment)
  passes.note(site, entry.asked, moment)
  return "pass"
end

-- Through the cache on disk: at once where the object is known to be there, else one at a time.
local function through_cache(site, entry, moment)
  if (entry.kept_until or 0) > moment then
    return "cache"
  end
  local door = flights.take(flights.name(entry.key, entry.is_authorized))
  return door == "pass" and note_pass(site, entry, moment) or door
end

-- An answer of this edge's own.
local function answer(what, body)
  var.cirrus_own = what
  if body then
    var.cirrus_body = body
  end
  return "own"
end

local function door_of(site, entry, kind)
  if entry.pass or kind == "" or beacon.numbers()[MODE] ~= READY then
    return entry.own and answer(entry.own, entry.proof) or "pass"
  end
  if kind == "plain" and not entry.slices then
    local moment = now()
    local object = hot.find(entry, moment)
    if object then
      handover.object, handover.host = object, site.host
      count("cirrus_memory_total", "hit")
      var.cirrus_body = object.body
      return "memory"
    end
    if site.passes and passes.has(site, entry.asked, moment) then
      return "pass"
    end
    describe(entry)
    local door = through_cache(site, entry, moment)
    return door == "cache" and hot.wants(entry, moment) and "capture" or door
  end
  if site.passes and passes.has(site, entry.asked, now()) then
    return "pass"
  end
  describe(entry)
  return entry.slices and "slices" or through_cache(site, entry, now())
end

-- Nobody has this host here. A certificate authority may ask for it all the same: its domain may have been refused.
local function answer_stranger(host, why)
  local token = own_answers.token(var.request_uri)
  local proof = token and challenges.proof(host, token)
  var.cirrus_door = answer(proof and "challenge" or why, proof)
  return ""
end

local function route(site, entry, kind)
  local door = door_of(site, entry, kind)
  if door == "pass" then
    fetch.plan_pass(site, entry, kind)
    if entry.rule then
      var.cirrus_rule = entry.rule.id
    end
  end
  var.cirrus_door = door
  return site.host
end

-- For the public server that speaks http.
function _M.http()
  var.cirrus_request_id = request_id.next()
  local host = var.host
  local site, why = find(host)
  if not site then
    return answer_stranger(host, why)
  end
  local kind = var.cirrus_kind
  return route(site, routing.entry(site, var.request_uri, "http", kind, host), kind)
end

-- Tell the origin of the client's certificate.
local function describe_client()
  local told = client_certificates.headers(var.ssl_client_verify, var.ssl_client_raw_cert, var.ssl_client_s_dn)
  var.cirrus_client_verify = told.verify
  if told.certificate then
    var.cirrus_client_fingerprint, var.cirrus_client_subject = told.fingerprint, told.subject
    var.cirrus_client_certificate = told.certificate
  end
end

-- Nobody is refused in a handshake for want of a certificate: so they are counted here.
local REFUSED_CLIENTS = { uncertified = "client_certificate|none", distrusted = "client_certificate|distrusted" }

-- For the one that speaks https.
function _M.https()
  var.cirrus_request_id = request_id.next()
  local host, name = var.host, var.ssl_server_name or ""
  local site, why = find(host)
  if not site then
    return answer_stranger(host, why == "unknown" and name ~= host and "misdirected" or why)
  end
  local kind = var.cirrus_kind
  local entry = routing.entry(site, var.request_uri, "https", kind, host)
  local refusal = admission.refusal(site, host, name)
  if refusal and not entry.proof then
    if REFUSED_CLIENTS[refusal] then
      count("nginx_ssl_handshake_errors_total", REFUSED_CLIENTS[refusal])
    end
    var.cirrus_door = answer(refusal)
    return site.host
  end
  if entry.hsts then
    var.cirrus_hsts = entry.hsts
  end
  if site.tls and site.tls.client_auth then
    describe_client()
  end
  return route(site, entry, kind)
end

-- For a request that has waited for the flight of `key`, with this outcome: which door now? It is told what is known
-- by now, a purge included.
function _M.again(key, outcome)
  local site = find(var.host)
  local door = "cache"
  if site then -- else the fetch tier says that it is gone
    local entry, moment = routing.entry(site, var.request_uri), now()
    if outcome == "pass" then
      door = note_pass(site, entry, moment)
    elseif entry.key ~= key then
      door = through_cache(site, entry, moment)
    end
    describe(entry)
    if door == "pass" then
      fetch.plan_pass(site, entry, var.cirrus_kind)
    end
  end
  var.cirrus_door = door
  return door
end

-- For the requests with which this edge refreshes its own cache: always the cache on disk.
function _M.refresh()
  local site = find(var.host)
  if not site then
    var.cirrus_door = "unknown"
    return ""
  end
  var.cirrus_request_id = request_id.next()
  var.cirrus_door = "refresh"
  describe(routing.entry(site, var.request_uri, var.http_x_cirrus_scheme))
  return site.host
end

return _M
