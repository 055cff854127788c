-- The sites of this worker: documents, decoded and compiled once per revision, found by host name.
--
--   sites.find("www.example.com")  -->  { host = "www.example.com", rev = 7, origins = {…}, cache = {…} }
--   sites.find("unknown.example")  -->  nil, "unknown"      before anything is loaded: nil, "loading"
--
-- What a request pays here is one look at a number (has anything changed?) and one into a table.
-- A host that has been found is looked up again only after a change, and a site whose revision has not
-- changed is used again as it is. Both tables are bounded: a worker never holds all of a large CDN.
local beacon = require "cirrus.beacon"
local cjson = require "cjson.safe"
local hosts = require "cirrus.hosts"
local memo = require "cirrus.memo"
local networks = require "cirrus.networks"
local rules = require "cirrus.rules"
local store = require "cirrus.store"

local _M = {}

local HOSTS, UNKNOWN, SITES = 4096, 512, 2048

local VERSION, MODE, LOADING = beacon.VERSION, beacon.MODE, beacon.LOADING
local by_host = memo.new(HOSTS)
local unknown = memo.new(UNKNOWN) -- of their own, so that a scan cannot drive out the known ones
local compiled = memo.new(SITES)

-- What the rules need of the edge.
local TOOLS = {
  networks = networks,
  regex = function(pattern)
    local _, _, problem = ngx.re.find("", pattern, "jo")
    if problem then
      return nil, problem
    end
    return function(subject)
      return ngx.re.find(subject, pattern, "jo") ~= nil
    end
  end,
}

local function compile_rules(document)
  local list = document.rules or {}
  if #list == 0 then
    return
  end
  document.compiled = rules.compile(list, TOOLS)
  document.inputs = #document.compiled.inputs > 0 and document.compiled.inputs or nil
  document.reads_headers = document.compiled.reads_headers
  document.acts = {}
  for _, rule in ipairs(list) do
    document.acts[tostring(rule.id)] = rule["then"]
  end
end

local function compile(document)
  document.slot = beacon.slot(document.host)
  compile_rules(document)
  for _, origin in ipairs(document.origins) do
    origin.label = origin.scheme .. "://" .. origin.host .. ":" .. origin.port
    origin.server_name = origin.sni ~= "" and origin.sni
      or origin.host_header ~= "" and origin.host_header:gsub(":%d+$", "") or origin.host
  end
  return document
end

local function site_of(owner)
  local rev, epoch = store.revision("domain", owner)
  local site = compiled:get(owner)
  if site and site.rev == rev and site.epoch == epoch then
    return site
  end
  local document = cjson.decode(store.text("domain", owner) or "")
  if not document then
    return nil
  end
  site = compile(document)
  compiled:set(owner, site)
  return site
end

local function owner_of(host)
  if #host > hosts.MAX_LENGTH then
    return nil
  end
  local owner = store.owner(host)
  if owner then
    return owner
  end
  for _, wildcard in ipairs(hosts.wildcards(host)) do
    owner = store.owner(wildcard)
    if owner then
      return owner
    end
  end
end

local function look_up(host, version)
  local owner = owner_of(host)
  local site = owner and site_of(owner)
  if site then
    by_host:set(host, { version = version, site = site })
    return site
  end
  unknown:set(host, version)
  return nil, "unknown"
end

-- The site that serves a host name (lower case, without port).
function _M.find(host)
  local numbers = beacon.numbers()
  if numbers[MODE] == LOADING then
    return nil, "loading"
  end
  local version = numbers[VERSION]
  local entry = by_host:get(host)
  if entry and entry.version == version then
    return entry.site
  end
  if unknown:get(host) == version then
    return nil, "unknown"
  end
  return look_up(host, version)
end

-- The site with this primary host name.
function _M.get(owner)
  return site_of(owner)
end

-- What the rule with this id (a text) says; nil where there is none (any more).
function _M.act(site, rule_id)
  return site.acts and site.acts[rule_id]
end

return _M
