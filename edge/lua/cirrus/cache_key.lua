-- The part of a cache key that says which object of a site is meant.
--
--   cache_key.of({ path = "/a", query = "b=1&utm=x", header = …, cookie = …, user_agent = … }, act)
--     -->  "/a?b=1&utm=x"                              no rule: the URL as it is normalized
--     -->  "/a?b=1 h:accept-language=de c:currency= d:mobile"   with a rule's query and key parts
--
-- A normalized URL has no space and neither has an escaped value, so parts cannot run into each other; what a
-- request does not have is left out, which an empty value is not. Two requests have one key only where the rule
-- says that they are alike.
local arguments = require "cirrus.arguments"
local devices = require "cirrus.devices"

local concat, format = table.concat, string.format

local _M = {}

local function escape(text)
  return (text:gsub("[^%w%-._~]", function(found)
    return format("%%%02X", found:byte())
  end))
end

local function set_of(names)
  local set = {}
  for _, name in ipairs(names or {}) do
    set[name] = true
  end
  return set
end

-- Arguments with the same name stay in their order, since table.sort alone would not keep it.
local function by_name(one, other)
  if one.name ~= other.name then
    return one.name < other.name
  end
  return one.position < other.position
end

local function selected(query, rule)
  if not query or not rule or (rule.mode == "all" and not rule.sort) then
    return query
  end
  if rule.mode == "none" then
    return nil
  end
  local names = set_of(rule.names)
  local kept = {}
  for position, argument in ipairs(arguments.split(query)) do
    if rule.mode == "all" or (names[argument.name] == true) == (rule.mode == "only") then
      argument.position = position
      kept[#kept + 1] = argument
    end
  end
  if rule.sort then
    table.sort(kept, by_name)
  end
  for i, argument in ipairs(kept) do
    kept[i] = argument.text
  end
  return #kept > 0 and concat(kept, "&") or nil
end

local function add_parts(parts, letter, names, value_of)
  for _, name in ipairs(names or {}) do
    local value = value_of(name)
    if value then
      parts[#parts + 1] = letter .. ":" .. escape(name) .. "=" .. escape(value)
    end
  end
end

-- request: path, query (or nil) as normalized, header(name) and cookie(name) → text or nil, user_agent.
-- act: the "then" of the rule that has matched, or nil.
function _M.of(request, act)
  local query = request.query
  if not act then
    return query and request.path .. "?" .. query or request.path
  end
  query = selected(query, act.query)
  local url = query and request.path .. "?" .. query or request.path
  if not (act.key_headers or act.key_cookies or act.key_device) then
    return url
  end
  local parts = { url }
  add_parts(parts, "h", act.key_headers, request.header)
  add_parts(parts, "c", act.key_cookies, request.cookie)
  if act.key_device then
    parts[#parts + 1] = "d:" .. devices.of(request.user_agent)
  end
  return concat(parts, " ")
end

return _M
