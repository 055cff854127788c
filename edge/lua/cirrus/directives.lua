-- Cache directives, as the fields of an answer spell them.
--
--   directives.of('max-age=60, private="a, b"')  -->  { ["max-age"] = "60", private = "a, b" }   (RFC 9111 section 5.2)
--   directives.targeted("max-age=60, no-store")  -->  { ["max-age"] = "60", ["no-store"] = true }   (RFC 9213)
--
-- A directive without an argument is `true`. Of one that stands twice the first counts in Cache-Control, and the last
-- in a targeted field, which is a dictionary of RFC 8941.
local memo = require "cirrus.memo"

local _M = {}

-- Origins say the same few things again and again.
local plain, structured, numbers = memo.new(512), memo.new(512), memo.new(512)

-- A number of seconds (RFC 9111 section 1.2.2), or nil where the text is none.
function _M.seconds(value)
  if type(value) ~= "string" then
    return nil
  end
  local number = numbers:get(value)
  if number == nil then
    local digits = value:match("^(%d+)%s*$")
    number = digits and math.min(tonumber(digits), 2147483648) or false
    numbers:set(value, number)
  end
  return number or nil
end

-- The members of a comma-separated list; commas inside quoted strings separate nothing.
local function members(field)
  local found, start, quoted, i = {}, 1, false, 1
  while i <= #field do
    local char = field:byte(i)
    if char == 34 then -- "
      quoted = not quoted
    elseif char == 92 and quoted then -- \ takes the next character as it is
      i = i + 1
    elseif char == 44 and not quoted then -- ,
      found[#found + 1] = field:sub(start, i - 1)
      start = i + 1
    end
    i = i + 1
  end
  found[#found + 1] = field:sub(start)
  return found
end

local function parse(field)
  local found = {}
  for _, member in ipairs(members(field)) do
    local name, before, after, value = member:match("^%s*([^%s=\"]+)(%s*)=(%s*)(.-)%s*$")
    if name then
      -- Around the "=" there may be no space: such a lifetime cannot be read, and so is none.
      value = before .. after == "" and (value:match('^"(.*)"$') or value) or ""
    else
      name, value = member:match("^%s*([^%s=\"]+)%s*$"), true
    end
    name = name and name:lower()
    if name and found[name] == nil then
      found[name] = value
    end
  end
  return found
end

function _M.of(field)
  local found = plain:get(field or "")
  if not found then
    found = parse(field or "")
    plain:set(field or "", found)
  end
  return found
end

-- -- structured fields (RFC 8941), as far as a dictionary of directives needs them -------------------------

local KEY = "^[%l*][%l%d_%-.*]*"
local ITEMS = {
  "^%-?%d+%.%d+", "^%-?%d+", '^"[^"\\]*"', '^"[^"]*"', "^:[%w+/=]*:", "^%?[01]", "^[%a*][%w:/!#$%%&'*+%-.^_`|~]*",
}

local function item(field, at)
  for _, pattern in ipairs(ITEMS) do
    local _, stop = field:find(pattern, at)
    if stop then
      return field:sub(at, stop), stop + 1
    end
  end
end

-- Past the parameters of a member: they say nothing about caching. nil where they are broken.
local function past_parameters(field, at)
  while field:sub(at, at) == ";" do
    local _, stop = field:find(KEY, field:match("^ *()", at + 1))
    if not stop then
      return nil
    end
    at = stop + 1
    if field:sub(at, at) == "=" then
      local _, after = item(field, at + 1)
      if not after then
        return nil
      end
      at = after
    end
  end
  return at
end

-- An inner list as one word that is no number; where it ends.
local function inner_list(field, at)
  local stop = field:match("^%([^()]*%)()", at)
  return stop and "()", stop
end

local function parse_dictionary(field)
  local found, at = {}, field:match("^%s*()")
  if at > #field then
    return nil
  end
  while true do
    local _, stop = field:find(KEY, at)
    if not stop then
      return nil
    end
    local name, value = field:sub(at, stop), true
    at = stop + 1
    if field:sub(at, at) == "=" then
      value, at = (field:sub(at + 1, at + 1) == "(" and inner_list or item)(field, at + 1)
    end
    at = value and past_parameters(field, at)
    if not at then
      return nil
    end
    if value == "?0" then
      found[name] = nil -- said to be off
    else
      found[name] = value == "?1" or value
    end
    at = field:match("^[ \t]*()", at)
    if at > #field then
      return found
    end
    at = field:match("^,[ \t]*()", at)
    if not at or at > #field then
      return nil
    end
  end
end

-- The directives of CDN-Cache-Control, or nil where the field is absent, empty or no dictionary: it counts as absent.
function _M.targeted(field)
  if not field then
    return nil
  end
  local found = structured:get(field)
  if found == nil then
    found = parse_dictionary(field) or false
    structured:set(field, found)
  end
  return found or nil
end

-- The directives of Surrogate-Control, or nil where it has none for every surrogate: `max-age=60;other` is for another.
function _M.surrogate(field)
  local found = field and _M.of(field)
  if found and (found["no-store"] == true or _M.seconds(found["max-age"])) then
    return found
  end
end

return _M
