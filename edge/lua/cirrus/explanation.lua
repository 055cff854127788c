-- Why a URL is answered as it is: the same judgements as for a request, told instead of acted upon.
--
--   explanation.of("http", "www.example.com", "/a?x=1", request, { status = 200, headers = {} })
--     -->  { domain = "www.example.com", rule = { id = 3, name = "Images" }, key = …, purge = {…}, … }; or nil
--
-- request: as rules see it (method, header(name), cookie(name), address, country, user_agent).
local cache_file = require "cirrus.cache_file"
local coverage = require "cirrus.coverage"
local freshness = require "cirrus.freshness"
local generation = require "cirrus.generation"
local guards = require "cirrus.guards"
local invalidations = require "cirrus.invalidations"
local own_answers = require "cirrus.own_answers"
local passes = require "cirrus.passes"
local purges = require "cirrus.purges"
local reasons = require "cirrus.reasons"
local routing = require "cirrus.routing"
local settings = require "cirrus.settings"
local sites = require "cirrus.sites"
local urls = require "cirrus.urls"

local _M = {}

-- nginx asks for the whole answer in place of HEAD, so that it serves both.
local CACHEABLE = { GET = true, HEAD = true }

-- What becomes of an answer with this status and these headers; `why`, where it is not kept.
local function lifetime(site, act, path, request, answer)
  local headers = answer.headers
  local date = headers.date and ngx.parse_http_time(headers.date)
  local given = {
    status = answer.status,
    cache_control = headers["cache-control"],
    cdn_cache_control = headers["cdn-cache-control"],
    surrogate_control = headers["surrogate-control"],
    expires = headers.expires,
    expires_at = headers.expires and ngx.parse_http_time(headers.expires),
    date_at = date,
    age = headers.age,
    vary = headers.vary,
    etag = headers.etag,
    set_cookie = headers["set-cookie"] ~= nil,
    cookie = request.headers.cookie ~= nil,
    authorization = request.headers.authorization ~= nil,
    validator = headers.etag ~= nil or headers["last-modified"] ~= nil,
    mislabelled = guards.is_mislabelled(path, headers["content-type"]), content_type = headers["content-type"],
    now = ngx.time(),
  }
  if not CACHEABLE[request.method] then
    return { stored = false, ttl = 0, why = "only answers to GET and HEAD are kept" }
  end
  local fresh = freshness.of(given, site.cache, act)
  return {
    why = not fresh.store and reasons.not_kept(given, site.cache, act) or nil,
    stored = fresh.store, ttl = fresh.ttl, stale_if_error = fresh.stale_error,
    stale_while_revalidate = fresh.stale_update, browser = fresh.browser,
  }
end

local OWN = {
  challenge = "nowhere: this edge answers it for a certificate authority",
  redirect = "nowhere: this edge redirects it to https",
  secured = "nowhere: this edge refuses it, as the site asks for client certificates, which http has none of",
  plain = "nowhere: this edge refuses it, as the site is not served over https",
}

-- What the edge answers by itself, wherever the connection comes from.
local function own_answer(site, entry)
  own_answers.look(site, entry)
  return entry.own or (entry.scheme == "https" and not site.tls and "plain") or nil
end

-- How the site is served over HTTPS here; nil where it is not.
local function secured(site, entry)
  local tls, certificate = site.tls, coverage.of(site.host)
  return tls and {
    policy = tls.policy, https_only = tls.https_only, client_auth = tls.client_auth or "off", hsts = entry.hsts,
    certificate = certificate and certificate.fingerprint and {
      fingerprint = certificate.fingerprint, not_after = certificate.not_after, placeholder = certificate.placeholder,
      covers = coverage.covers(site.host, entry.host) and true or false,
    } or nil,
  } or nil
end

-- Which way a request goes; `base`: its key, which answers of late have not been kept under.
local function way(site, act, request, base, own)
  local asked = request.headers.authorization and base .. " authorized" or base
  if own then
    return OWN[own]
  elseif not CACHEABLE[request.method] then
    return "past the cache, as its method is " .. request.method
  elseif act and act.bypass then
    return "past the cache, by its rule"
  elseif routing.goes_past(site, act) then
    return "past the cache, as the site asks for client certificates"
  elseif site.passes and passes.has(site, asked, ngx.now()) then
    return "past the cache, as its last answer was not kept"
  end
  return "through the cache"
end

local function labels(origins)
  local list = {}
  for i, origin in ipairs(origins) do
    list[i] = { url = origin.label, weight = origin.weight, backup = origin.backup }
  end
  return list
end

function _M.of(scheme, host, target, request, answer)
  local site = sites.find(host)
  if not site then
    return nil
  end
  local path, query = urls.normalize(target)
  request.path, request.query, request.scheme, request.host = path, query, scheme, host
  local rule, act, base = routing.judge(site, request)
  local summary = purges.summary(site.host)
  local hard, soft = purges.stamps(summary, site.host, path, query)
  local whole = routing.key(hard, invalidations.stamp(site, path), base)
  local entry = { scheme = scheme, host = host, token = own_answers.token(path) }
  local own = own_answer(site, entry)
  return {
    domain = site.host, revision = site.rev, path = path, query = query,
    rule = rule and { id = rule.id, name = rule.name, actions = act },
    key = base, cache_key = whole, on_disk = next(cache_file.headers(whole)) ~= nil,
    goes = way(site, act, request, base, own), own = own, https = secured(site, entry),
    answer = lifetime(site, act, path, request, answer),
    purge = {
      hard = hard, soft = soft, known = summary.rev, tagged = site.tagged or false,
      invalidated = invalidations.stamp(site, path) > 0, generation = generation.current(),
    },
    origins = labels(site.origins),
    node = settings.get().node,
  }
end

return _M
