-- The cache rules of a site: compiled once for each revision, then asked which one a request is for.
--
--   local compiled = rules.compile(document.rules, { regex = …, networks = require "cirrus.networks" })
--   rules.match(compiled, request)  → the first rule of the list that matches, as the document has it, or nil
--   compiled.inputs   → { { what = "method" }, { what = "header", name = "accept-language" }, { what = "device" } }
--   compiled.reads_headers   → true: a header is among them
--   compiled.problems → sentences about patterns that do not compile; such a condition holds for no request
--
-- inputs: what a match or a key depends on beside path and query; what = method, header, cookie (both with a
-- name), country, address or device, none of them twice. Pure: patterns are compiled by
-- tools.regex(pattern) → function(subject) → boolean, or nil and why.
local arguments = require "cirrus.arguments"
local globs = require "cirrus.globs"
local texts = require "cirrus.texts"

local byte, find, match, sub = string.byte, string.find, string.match, string.sub

local _M = {}

-- path of a request → its extension in lower case ("/a.tar.GZ" → "gz"), or nil.
function _M.extension(path)
  local found = texts.after_last(path, ".")
  if found and found ~= "" and not find(found, "/", 1, true) then
    return found:lower()
  end
end

local function set_of(values)
  local set = {}
  for _, value in ipairs(values) do
    set[value] = true
  end
  return set
end

local function any(tests)
  if #tests == 1 then
    return tests[1]
  end
  return function(subject)
    for i = 1, #tests do
      if tests[i](subject) then
        return true
      end
    end
    return false
  end
end

local function prefix_test(prefix)
  local length, last = #prefix, byte(prefix, -1)
  return function(path) -- most paths differ there, and then no text is cut out
    return byte(path, length) == last and sub(path, 1, length) == prefix
  end
end

local function glob_test(pattern)
  local begins = prefix_test(match(pattern, "^[^*?]*"))
  return function(path) -- as above, and without the loop of a real look
    return begins(path) and globs.matches(pattern, path)
  end
end

local PATH_TESTS = {
  prefix = prefix_test,
  glob = glob_test,
  regex = function(pattern, tools, problems)
    local test, why = tools.regex(pattern)
    if test == nil then
      problems[#problems + 1] = "the pattern " .. pattern .. " does not compile: " .. tostring(why)
    end
    return function(path)
      return test ~= nil and test(path) == true
    end
  end,
}

-- Is there a value, and is it one of these (none given: any value will do)?
local function found_in(values, set)
  return function(value)
    return value ~= nil and (#values == 0 or set[value] == true)
  end
end

-- what → function(condition, tools, problems) → function(request) → boolean
local MAKERS = {}

function MAKERS.path(condition, tools, problems)
  local tests = {}
  for i, value in ipairs(condition.values) do
    tests[i] = PATH_TESTS[condition.how](value, tools, problems)
  end
  local test = any(tests)
  return function(request)
    return test(request.path)
  end
end

local last_path, last_extension

function MAKERS.extension(condition)
  local set = set_of(condition.values)
  return function(request)
    local path = request.path
    if path ~= last_path then -- looked for once, for all rules
      last_path, last_extension = path, _M.extension(path) or false
    end
    return set[last_extension] == true
  end
end

function MAKERS.query(condition)
  local name, fits = condition.name, found_in(condition.values, set_of(condition.values))
  return function(request)
    for _, argument in ipairs(arguments.split(request.query)) do
      if argument.name == name and fits(arguments.decode(argument.value)) then
        return true
      end
    end
    return false
  end
end

local function field_maker(part)
  return function(condition)
    local name, fits = condition.name, found_in(condition.values, set_of(condition.values))
    return function(request)
      return fits(request[part](name))
    end
  end
end
MAKERS.header = field_maker("header")
MAKERS.cookie = field_maker("cookie")

local function word_maker(part)
  return function(condition)
    local set = set_of(condition.values)
    return function(request)
      local word = request[part]
      return word ~= nil and set[word] == true
    end
  end
end
MAKERS.method = word_maker("method")
MAKERS.country = word_maker("country")

function MAKERS.network(condition, tools)
  local networks = tools.networks.parse_all(condition.values)
  return function(request)
    return request.address ~= nil and tools.networks.contains(networks, request.address)
  end
end

local INPUT_OF = { method = "method", country = "country", network = "address", header = "header", cookie = "cookie" }

local function add_input(compiled, what, name)
  local id = name and what .. ":" .. name or what
  if not compiled.seen[id] then
    compiled.seen[id] = true
    compiled.inputs[#compiled.inputs + 1] = { what = what, name = name }
    compiled.reads_headers = compiled.reads_headers or what == "header" or what == "device"
  end
end

local function add_inputs_of(compiled, rule)
  for _, condition in ipairs(rule.when) do
    local what = INPUT_OF[condition.what]
    if what then
      add_input(compiled, what, condition.name)
    end
  end
  local act = rule["then"]
  for _, name in ipairs(act.key_headers or {}) do
    add_input(compiled, "header", name)
  end
  for _, name in ipairs(act.key_cookies or {}) do
    add_input(compiled, "cookie", name)
  end
  if act.key_device then
    add_input(compiled, "device")
  end
end

local function compile_condition(condition, tools, problems)
  local before = #problems
  local test = MAKERS[condition.what](condition, tools, problems)
  if #problems > before then
    return function() return false end -- negated or not: nobody knows what it was to mean
  end
  if condition.negate then
    return function(request)
      return not test(request)
    end
  end
  return test
end

-- list: the rules of a valid document, or nil.
function _M.compile(list, tools)
  local compiled = { rules = {}, inputs = {}, reads_headers = false, problems = {}, seen = {} }
  for i, rule in ipairs(list or {}) do
    local tests = {}
    for k, condition in ipairs(rule.when) do
      tests[k] = compile_condition(condition, tools, compiled.problems)
    end
    compiled.rules[i] = { source = rule, tests = tests, any = rule.match == "any" and #tests > 0 }
    add_inputs_of(compiled, rule)
  end
  compiled.seen = nil
  return compiled
end

local function holds(rule, request)
  local tests, wanted = rule.tests, rule.any
  for i = 1, #tests do
    if tests[i](request) == wanted then
      return wanted -- one that holds decides "any", one that does not decides "all"
    end
  end
  return not wanted
end

-- request: path, query (or nil) as normalized, method, header(name) and cookie(name) → text or nil (names of
-- headers in lower case), country and address (text or nil), user_agent.
function _M.match(compiled, request)
  local list = compiled.rules
  for i = 1, #list do
    if holds(list[i], request) then
      return list[i].source
    end
  end
end

return _M
