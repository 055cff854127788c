-- What a cache rule inside a domain's document must look like (docs/keyspace.md, "Rules").
--
--   rule_checks.rule({ id = 3, name = "Images", match = "all", when = {…}, ["then"] = {…} })
--     -->  nothing, or what is wrong: 'rule 3 (Images): then edge_ttl must be a whole number from 0 to 31536000'
local checks = require "cirrus.checks"
local limits = require "cirrus.limits"
local networks = require "cirrus.networks"
local unbounded = require "cirrus.unbounded"

local boolean, integer, list, object, one_of = checks.boolean, checks.integer, checks.list, checks.object, checks.one_of
local optional, text = checks.optional, checks.text

local _M = {}

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$" -- RFC 9110 section 5.6.2
local PRINTABLE = "^[^%c]*$"

local argument = text(1, limits.FIELD_NAME, PRINTABLE)
local header_name = text(1, limits.FIELD_NAME, "^[%l%d!#$%%&'*+%-.^_`|~]+$")
local cookie_name = text(1, limits.FIELD_NAME, TOKEN)

local function values(low, item)
  return list(low, limits.VALUES, item)
end

local function network(value)
  local address, bits = tostring(value):match("^([%x:.]+)/(%d%d?%d?)$")
  local groups = address and networks.parse(address)
  if not groups or tonumber(bits) > #groups * 16 then
    return "must be a network such as 192.0.2.0/24"
  end
end

local function field(name)
  return { name = name, values = values(0, text(0, limits.FIELD_VALUE, PRINTABLE)) }
end

local CONDITIONS = {
  prefix = { values = values(1, text(1, limits.PATH, "^/[\33-\126]*$")) },
  glob = { values = values(1, text(1, limits.PATH, "^[/*][\33-\126]*$")) },
  regex = { values = values(1, text(1, limits.REGEX, "^[\32-\126]+$")) },
  extension = { values = values(1, text(1, 32, "^[%l%d_%-~]+$")) },
  method = { values = values(1, text(1, 32, "^%u+$")) },
  query = field(argument),
  header = field(header_name),
  cookie = field(cookie_name),
  country = { values = values(1, text(2, 2, "^%u%u$")) },
  network = { values = values(1, network) },
}

local WHAT = one_of("path", "extension", "method", "query", "header", "cookie", "country", "network")
local HOW = one_of("prefix", "glob", "regex")

local function condition(value)
  if type(value) ~= "table" then
    return "must be an object"
  end
  local problem = checks.fields(value, { what = WHAT, negate = optional(boolean) })
  if not problem and value.what == "path" then
    problem = checks.fields(value, { how = HOW })
  end
  return problem or checks.fields(value, CONDITIONS[value.what == "path" and value.how or value.what])
end

local function range(value)
  local problem = checks.fields(value, {
    from = integer(100, 599),
    to = integer(100, 599),
    ttl = integer(0, limits.TTL),
  })
  return problem or (value.from > value.to and "must begin before it ends" or nil)
end

local function bounded(check, is_unbounded, noun)
  return function(value)
    local problem = check(value)
    if not problem and is_unbounded(value) then
      problem = "is the " .. noun .. " " .. value .. ", which differs for nearly every client: no cache key can have it"
    end
    return problem
  end
end

local ACTIONS = object({
  bypass = optional(boolean),
  force = optional(boolean),
  edge_ttl = optional(integer(0, limits.TTL)),
  ttl_by_status = optional(list(1, limits.STATUS_RANGES, range)),
  browser_ttl = optional(integer(0, limits.TTL)),
  stale_while_revalidate = optional(integer(0, limits.STALE)),
  stale_if_error = optional(integer(0, limits.STALE)),
  strip_cookies = optional(boolean),
  slices = optional(boolean),
  query = optional(object({
    mode = one_of("all", "none", "only", "except"),
    names = optional(list(0, limits.ARGUMENTS, argument)),
    sort = optional(boolean),
  })),
  key_headers = optional(list(1, limits.KEY_PARTS, bounded(header_name, unbounded.header, "header"))),
  key_cookies = optional(list(1, limits.KEY_PARTS, bounded(cookie_name, unbounded.cookie, "cookie"))),
  key_device = optional(boolean),
})

function _M.rule(value)
  local problem = checks.fields(value, { id = integer(1, 2 ^ 53), name = text(0, 400, PRINTABLE) })
  if problem then
    return problem
  end
  problem = checks.fields(value, {
    match = one_of("all", "any"),
    when = list(0, limits.CONDITIONS, condition),
    ["then"] = ACTIONS,
  })
  return problem and "rule " .. value.id .. " (" .. value.name .. "): " .. problem
end

return _M
