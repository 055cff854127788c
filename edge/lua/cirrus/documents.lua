-- What a document must look like before this edge uses it (docs/keyspace.md is the contract).
--
--   documents.check("domain", "www.example.com", { schema = 1, epoch = 1, rev = 7, host = … })
--     -->  true, or nil and a sentence that names the field
--
-- Fields that are not named here are left alone: a newer control plane may add some within a schema.
local certificate_checks = require "cirrus.certificate_checks"
local checks = require "cirrus.checks"
local keyspace = require "cirrus.keyspace"
local limits = require "cirrus.limits"
local rule_checks = require "cirrus.rule_checks"

local boolean, integer, list, object, one_of = checks.boolean, checks.integer, checks.list, checks.object, checks.one_of
local optional, text = checks.optional, checks.text

local _M = {}

-- The control characters, the space and DEL are what would break out of a header or a log line.
local HOST_NAME = "^[%w%.%-]+$"
local NAME_OR_WILDCARD = "^%*?[%w%.%-]+$"
local ADDRESS_OR_NAME = "^[%w%.%-:]+$"
local HEADER_HOST = "^[%w%.%-:%[%]]*$"

local ORIGIN = {
  id = integer(1, 2 ^ 53),
  scheme = one_of("http", "https"),
  host = text(1, 253, ADDRESS_OR_NAME),
  port = integer(1, 65535),
  host_header = text(0, 259, HEADER_HOST),
  sni = text(0, 253, "^[%w%.%-]*$"),
  verify = boolean,
  weight = integer(1, 1000),
  backup = boolean,
  connect_timeout = integer(10, 60000),
  read_timeout = integer(10, 3600000),
}

local STAMP = integer(0, 2 ^ 53)

-- { name, hard stamp, soft stamp }
local function stamps(pattern)
  local name = text(1, limits.PURGE_NAME, pattern)
  return function(value)
    if type(value) ~= "table" or #value ~= 3 then
      return "must be a name and two stamps"
    end
    return name(value[1]) or STAMP(value[2]) or STAMP(value[3])
  end
end

local FIELDS = {
  domain = {
    host = text(1, 253, NAME_OR_WILDCARD),
    id = integer(1, 2 ^ 53),
    aliases = list(0, limits.ALIASES, text(1, 253, NAME_OR_WILDCARD)),
    cache = object({
      default_ttl = integer(0, limits.TTL),
      max_ttl = integer(0, limits.TTL),
      negative_ttl = integer(0, 86400),
      guard = boolean,
      stale_while_revalidate = integer(0, limits.STALE),
      stale_if_error = integer(0, limits.STALE),
    }),
    rules = optional(list(0, limits.RULES, rule_checks.rule)),
    tls = optional(certificate_checks.tls),
    origins = list(1, limits.ORIGINS, ORIGIN),
  },
  node = {
    name = text(1, 63, HOST_NAME),
    region = text(1, 63, HOST_NAME),
    roles = list(1, 2, one_of("edge", "shield")),
    ipv4 = text(0, 15, "^[%d%.]*$"),
    ipv6 = text(0, 45, "^[%x:%.]*$"),
    state = one_of("pending", "up", "down", "draining", "maintenance"),
    weight = integer(1, 10000),
  },
  purge = {
    host = text(1, 253, NAME_OR_WILDCARD),
    all = list(2, 2, STAMP),
    urls = list(0, limits.PURGES, stamps("^/[\33-\126]*$")),
    prefixes = list(0, limits.PURGES, stamps("^/[\33-\126]*$")),
    tags = list(0, limits.PURGES, stamps("^[^%c%s]+$")),
  },
  certificate = certificate_checks.certificate,
  challenge = certificate_checks.challenge,
  tickets = certificate_checks.tickets,
}

local KEY_FIELD = { domain = "host", node = "name", purge = "host", certificate = "host", challenge = "host" }
local ONLY_KEY = { tickets = "tickets" } -- of kinds that have one document

local function values_of(rules)
  local count = 0
  for _, rule in ipairs(rules or {}) do
    for _, condition in ipairs(rule.when) do
      count = count + #condition.values
    end
  end
  return count
end

-- What one field alone cannot tell.
local function whole(kind, document)
  if kind == "purge" and #document.urls + #document.prefixes + #document.tags > limits.PURGES then
    return "it has more than " .. limits.PURGES .. " records"
  end
  if kind == "domain" and values_of(document.rules) > limits.ALL_VALUES then
    return "its rules have more than " .. limits.ALL_VALUES .. " values"
  elseif kind == "domain" then
    return certificate_checks.whole_tls(document.tls)
  elseif kind == "certificate" then
    return certificate_checks.whole_certificate(document)
  end
end

-- true, or nil and why this edge cannot use the document that stands under `key`.
function _M.check(kind, key, document)
  local fields = FIELDS[kind]
  if not fields then
    return nil, "this edge knows no documents of the kind " .. tostring(kind)
  end
  if type(document) ~= "table" then
    return nil, "it is not a JSON object"
  end
  if document.schema ~= keyspace.SCHEMA then
    return nil, "its schema is " .. tostring(document.schema) .. "; this edge understands " .. keyspace.SCHEMA
  end
  local problem = checks.fields(document, { epoch = integer(1, 2 ^ 32 - 1), rev = integer(1, 2 ^ 53) })
    or checks.fields(document, fields)
    or whole(kind, document)
  if problem then
    return nil, problem
  end
  local about = ONLY_KEY[kind] or document[KEY_FIELD[kind]]
  if about ~= key then
    return nil, "it is about " .. about .. ", not about " .. key
  end
  return true
end

return _M
