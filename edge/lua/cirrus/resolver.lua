-- From an origin's host to the addresses that this edge may connect to.
--
--   resolver.addresses("origin.example.com")  -->  { "192.0.2.7", "2001:db8::7" }, or nil and why
--   resolver.look_up("redis.internal")        -->  the same, of a host that the operator of this edge has named
--
-- Answers are kept for their TTL. While the name servers fail, the last answer is used on: an origin does
-- not go away because its DNS does. Every address is held against the forbidden networks each time, so a
-- name that is pointed at this machine's own network after it was entered gets nobody in.
local memo = require "cirrus.memo"
local networks = require "cirrus.networks"
local platform = require "cirrus.platform"
local settings = require "cirrus.settings"

local _M = {}

local NAMES, ADDRESSES = 2048, 4096
local MIN_TTL, MAX_TTL = 1, 3600
local NEGATIVE_TTL = 2
-- While an answer is renewed, or could not be, the last one counts this many seconds longer.
local GRACE = 2

local cache = memo.new(NAMES)
local judged = memo.new(ADDRESSES) -- address → may it be connected to?
local deny, allow, servers, fixed

-- The names of /etc/hosts (hosts(5)), lower case → addresses.
local function read_hosts(path)
  local found = {}
  local file = io.open(path, "r")
  for line in file and file:lines() or function() end do
    local address, names = line:gsub("#.*", ""):match("^%s*(%S+)%s+(.+)$")
    if address and networks.parse(address) then
      for name in names:gmatch("%S+") do
        name = name:lower()
        found[name] = found[name] or {}
        table.insert(found[name], address)
      end
    end
  end
  if file then
    file:close()
  end
  return found
end

-- Read what there is to read, before the workers start.
function _M.prepare()
  local own = settings.get()
  deny, allow = networks.parse_all(own.origin_deny), networks.parse_all(own.origin_allow)
  servers = own.resolvers
  fixed = read_hosts("/etc/hosts")
end

function _M.is_allowed(address)
  local good = judged:get(address)
  if good == nil then
    good = networks.contains(allow, address) or not networks.contains(deny, address)
    judged:set(address, good)
  end
  return good
end

local function allowed_of(addresses)
  local good = {}
  for _, address in ipairs(addresses) do
    if _M.is_allowed(address) then
      good[#good + 1] = address
    end
  end
  if #good == 0 then
    return nil, "its addresses (" .. table.concat(addresses, ", ") .. ") are in networks that edges never connect to"
  end
  return good
end

local function query(client, host, qtype, found)
  local answers, problem = client:query(host, { qtype = qtype })
  if not answers then
    return nil, problem
  end
  if answers.errcode then
    return nil, answers.errstr
  end
  for _, answer in ipairs(answers) do
    if answer.type == qtype and answer.address then
      local address = answer.address:gsub("^%[(.*)%]$", "%1")
      found[#found + 1] = address
      found.ttl = math.min(found.ttl, answer.ttl)
    end
  end
  return true
end

local function resolve(host)
  local dns = platform.dns()
  local client, problem = dns:new({ nameservers = servers, retrans = 2, timeout = 1500 })
  if not client then
    return nil, problem
  end
  local found = { ttl = MAX_TTL }
  local done4, why = query(client, host, client.TYPE_A, found)
  local done6 = query(client, host, client.TYPE_AAAA, found)
  if #found == 0 then
    return nil, (done4 and done6) and "it has no address" or (why or "no address")
  end
  found.expires = ngx.now() + math.max(found.ttl, MIN_TTL)
  return found
end

-- All addresses of a host name or of a literal address, or nil and a sentence.
function _M.look_up(host)
  if judged:get(host) ~= nil or networks.parse(host) then
    return { host }
  end
  if fixed[host] then
    return fixed[host]
  end
  local entry = cache:get(host)
  local now = ngx.now()
  if not entry or entry.expires <= now then
    if entry then
      entry.expires = now + GRACE -- other requests use it on while this one asks
    end
    local fresh, problem = resolve(host)
    if not fresh and not entry then
      fresh = { problem = problem, expires = now + NEGATIVE_TTL }
    end
    if fresh then
      entry = fresh
      cache:set(host, entry)
    end
  end
  if entry.problem then
    return nil, "its name does not resolve: " .. tostring(entry.problem)
  end
  return entry
end

-- The one address of a literal or fixed host, without waiting and without a choice; else nil.
function _M.only_address(host)
  local address = judged:get(host) ~= nil and host
  if not address then
    local known = fixed[host]
    if not known then
      known = cache:get(host)
      if not known or known.problem or known.expires <= ngx.now() then
        return nil
      end
    end
    address = #known == 1 and known[1]
  end
  return address and _M.is_allowed(address) and address or nil
end

-- Those of an origin's host that this edge may connect to; nil and a sentence where there is none.
function _M.addresses(host)
  local found, problem = _M.look_up(host)
  if not found then
    return nil, problem
  end
  return allowed_of(found)
end

return _M
