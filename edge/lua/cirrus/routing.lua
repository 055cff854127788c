-- From a request's URL to what the cache must know of it: the rule, the key, the stamps. No I/O, no coroutine.
--
--   routing.entry(site, "/img/a.png?x=1")
--     -->  { path = "/img/a.png", query = "x=1", rule = {…}, act = {…}, fill = 17, soft = 0, stamp = nil, own = nil, …
--            key = "0~17.0|12|http://www.example.com/img/a.png?x=1" }
--
-- key    {generation}~{hard stamp}.{last invalidation}|{base}
-- base   {domain's id}|{scheme}://{host}{what the rule makes of the URL}
-- fill   the revision of the purge document that this request knows; soft: the largest soft stamp of its URL
-- stamp  where the site has tagged objects: the stamp of this URL's variants (cirrus.tags)
-- pass   it goes past the cache, or where there is an `own` (cirrus.own_answers) this edge answers by itself
--
-- An entry holds as long as the two numbers (cirrus.beacon) that it was made under; then its stamps are looked up anew,
-- and what memory holds of it goes where its key has changed.
local beacon = require "cirrus.beacon"
local cache_key = require "cirrus.cache_key"
local cookies = require "cirrus.cookies"
local country = require "cirrus.country"
local devices = require "cirrus.devices"
local entries = require "cirrus.entries"
local generation = require "cirrus.generation"
local hot = require "cirrus.hot"
local invalidations = require "cirrus.invalidations"
local lines = require "cirrus.lines"
local own_answers = require "cirrus.own_answers"
local purges = require "cirrus.purges"
local rules = require "cirrus.rules"
local tags = require "cirrus.tags"
local urls = require "cirrus.urls"

local var = ngx.var
local VERSION = beacon.VERSION

local _M = {}

local function header(name)
  return var["http_" .. name:gsub("-", "_")]
end

local function cookie(name)
  return (cookies.find(var.http_cookie, name))
end

-- headers: all of them (cirrus.lines).
local function one_line(headers, name)
  local value = headers and rawget(headers, name)
  if type(value) == "table" then
    return value[1], true
  end
  return value, headers == nil
end

-- How each input of a rule is read from the request that is being served: its value, and whether there is another one
-- that the origin may go by.
local READ = {
  method = function() return ngx.req.get_method() end,
  header = function(input, headers) return one_line(headers, input.name) end,
  cookie = function(input) return cookies.find(var.http_cookie, input.name) end,
  address = function() return var.remote_addr end,
  country = function() return country.of() end,
  device = function(_, headers)
    local agent, is_unclear = one_line(headers, "user-agent")
    return devices.of(agent), is_unclear
  end,
}

-- The request that is being served, as a site's rules see it: most look at its URL alone.
local function request_of(site, path, query, scheme, host)
  local request = { path = path, query = query, scheme = scheme, host = host }
  if site.inputs then
    request.method, request.header, request.cookie = ngx.req.get_method(), header, cookie
    request.address, request.country, request.user_agent = var.remote_addr, country.of(), var.http_user_agent
  end
  return request
end

-- What a site's rules depend on besides the URL, as one text to remember an entry by; nil where the request says one of
-- these twice, since nobody knows which of the two its origin goes by.
local function remembered_by(site, uri)
  local inputs, parts = site.inputs, { uri }
  local headers = site.reads_headers and lines.read()
  for i = 1, #inputs do
    local value, is_unclear = READ[inputs[i].what](inputs[i], headers)
    if is_unclear then
      return nil
    end
    parts[#parts + 1] = value and "=" .. value or "" -- an empty header is not an absent one
  end
  return table.concat(parts, "\n")
end

-- What is known of a site's purges, read once for each change.
local function summary_of(site, version, place)
  if site.purges_version ~= version or site.purges_place ~= place then
    site.purges, site.tagged = purges.summary(site.host), tags.standing(site.host)
    site.purges_version, site.purges_place = version, place
  end
  return site.purges
end

-- The whole cache key.
function _M.key(hard, invalidated, base)
  return string.format("%s~%d.%.0f|%s", generation.current(), hard, invalidated, base)
end

-- Look the stamps up again.
local function restamp(site, entry, numbers)
  local version, place = numbers[VERSION], numbers[site.slot]
  local summary = summary_of(site, version, place)
  local hard, soft = purges.stamps(summary, site.host, entry.path, entry.query)
  local key = _M.key(hard, invalidations.stamp(site, entry.path), entry.base)
  local stamp = site.tagged and tags.stamp(summary, site.host, key, site.tagged) or nil
  if key ~= entry.key or stamp ~= entry.stamp then
    hot.drop(entry)
  elseif soft ~= entry.soft or summary.soft_tags ~= entry.soft_tags then
    hot.drop(entry) -- the cache on disk tells whether it is stale now
  end
  entry.key, entry.stamp, entry.fill, entry.soft, entry.soft_tags = key, stamp, summary.rev, soft, summary.soft_tags
  entry.version, entry.place = version, place
  if site.tls or entry.token then
    own_answers.look(site, entry)
    entry.pass = entry.past or entry.own ~= nil
  end
end

-- What the rules make of a request: pure but for the request's own functions, so that "why?" can ask as well.
function _M.judge(site, request)
  local rule = site.compiled and rules.match(site.compiled, request)
  local act = rule and rule["then"] or nil
  return rule, act, site.id .. "|" .. request.scheme .. "://" .. request.host .. cache_key.of(request, act)
end

-- Must it go past the cache, whatever it is? What a site gives to clients with certificates is for each alone, unless
-- the operator says that it is not.
function _M.goes_past(site, act)
  if act and (act.bypass or act.force) then
    return act.bypass
  end
  return site.tls ~= nil and site.tls.client_auth ~= nil
end

local function new_entry(site, uri, scheme, host, is_authorized)
  local path, query = urls.normalize(uri)
  local rule, act, base = _M.judge(site, request_of(site, path, query, scheme, host))
  local past = _M.goes_past(site, act)
  return {
    -- By this it is remembered whether answers are kept: for requests with credentials it is another question.
    asked = is_authorized and base .. " authorized" or base,
    path = path, query = query, is_normal = urls.is_normal(uri), rule = rule, act = act, base = base,
    pass = past, past = past, slices = act and act.slices,
    scheme = scheme, host = host, token = own_answers.token(path), is_authorized = is_authorized,
  }
end

-- Of a request that must go past the cache: not remembered, lest others get it.
local function unclear_entry(site, uri, scheme, host, numbers)
  local entry = new_entry(site, uri, scheme, host, var.http_authorization ~= nil)
  entry.pass, entry.past = true, true
  restamp(site, entry, numbers)
  return entry
end

-- The entry of the request that is being served, for `uri` (as the client spelled it); `scheme` where it is not the
-- connection's, `kind` and `host` where the caller knows $cirrus_kind and $host. Each host name and scheme of a site
-- has entries of its own, as it has objects of its own.
function _M.entry(site, uri, scheme, kind, host)
  local numbers = beacon.numbers()
  local name = uri
  host = host or var.host
  scheme = scheme or var.scheme
  if host ~= site.host or scheme ~= "http" then
    name = scheme .. "://" .. host .. uri
  end
  if site.inputs then
    name = remembered_by(site, name)
    if not name then
      return unclear_entry(site, uri, scheme, host, numbers)
    end
  end
  local is_authorized = (kind or var.cirrus_kind) ~= "plain" and var.http_authorization ~= nil
  if is_authorized then
    name = "authorized " .. name
  end
  local entry = entries.get(site, name)
  if not entry then
    entry = new_entry(site, uri, scheme, host, is_authorized)
    restamp(site, entry, numbers)
    entries.put(site, name, entry)
  elseif entry.version ~= numbers[VERSION] or entry.place ~= numbers[site.slot] then
    restamp(site, entry, numbers)
  end
  return entry
end

return _M
