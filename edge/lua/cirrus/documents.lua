-- What a document must look like before this edge uses it (docs/keyspace.md is the contract).
--
--   documents.check("domain", "www.example.com", { schema = 1, epoch = 1, rev = 7, host = … })
--     -->  true, or nil and a sentence that names the field
--
-- Fields that are not named here are left alone: a newer control plane may add some within a schema.
local keyspace = require "cirrus.keyspace"

local _M = {}

local MAX_ORIGINS = 64
local MAX_ALIASES = 10000

local function integer(low, high)
  return function(value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < low or value > high then
      return "must be a whole number from " .. low .. " to " .. high
    end
  end
end

local function text(low, high, pattern)
  return function(value)
    if type(value) ~= "string" or #value < low or #value > high then
      return "must be a text of " .. low .. " to " .. high .. " characters"
    end
    if pattern and not value:match(pattern) then
      return "has characters that it may not have"
    end
  end
end

local function boolean(value)
  if type(value) ~= "boolean" then
    return "must be true or false"
  end
end

local function one_of(...)
  local allowed = { ... }
  return function(value)
    for _, item in ipairs(allowed) do
      if value == item then
        return nil
      end
    end
    return "must be one of " .. table.concat(allowed, ", ")
  end
end

local check_fields

-- An array of `low` to `high` items, each checked by `item` (a function, or a table of fields).
local function list(low, high, item)
  return function(value)
    if type(value) ~= "table" then
      return "must be a list"
    end
    local count = 0
    for key in pairs(value) do
      count = count + 1
      if type(key) ~= "number" then
        return "must be a list"
      end
    end
    if count ~= #value or count < low or count > high then
      return "must have " .. low .. " to " .. high .. " items"
    end
    for i, entry in ipairs(value) do
      local problem = check_fields(entry, item)
      if problem then
        return "item " .. i .. ": " .. problem
      end
    end
  end
end

local function object(fields)
  return function(value)
    return check_fields(value, fields)
  end
end

function check_fields(value, fields)
  if type(fields) == "function" then
    return fields(value)
  end
  if type(value) ~= "table" then
    return "must be an object"
  end
  for name, check in pairs(fields) do
    local problem = check(value[name])
    if problem then
      return name .. " " .. problem
    end
  end
end

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

local FIELDS = {
  domain = {
    host = text(1, 253, NAME_OR_WILDCARD),
    aliases = list(0, MAX_ALIASES, text(1, 253, NAME_OR_WILDCARD)),
    cache = object({
      default_ttl = integer(0, 31536000),
      max_ttl = integer(0, 31536000),
      negative_ttl = integer(0, 86400),
    }),
    origins = list(1, MAX_ORIGINS, ORIGIN),
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
}

local KEY_FIELD = { domain = "host", node = "name" }

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
  local problem = check_fields(document, { epoch = integer(1, 2 ^ 32 - 1), rev = integer(1, 2 ^ 53) })
    or check_fields(document, fields)
  if problem then
    return nil, problem
  end
  if document[KEY_FIELD[kind]] ~= key then
    return nil, "it is about " .. document[KEY_FIELD[kind]] .. ", not about " .. key
  end
  return true
end

return _M
