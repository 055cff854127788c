-- One spelling for each URL (RFC 3986 section 6.2.2): what is keyed, matched and purged by. Its twin is
-- domains/urls.py; tests/lua/test_urls.py holds the two together.
--
--   urls.normalize("/a/%7eb/../C%2f?x=%41")  → "/a/C%2F", "x=A"
--   urls.normalize("/a")                     → "/a", nil
local texts = require "cirrus.texts"

local _M = {}

local byte, char, find, format, sub = string.byte, string.char, string.find, string.format, string.sub

-- What is not in this class may stand neither in a path nor in a query, or asks for a closer look ("%", "#").
local PLAIN = texts.class("[!$&-;=?-Z%[%]_a-z~]")

local UPPER_OR_PLAIN = {} -- "7e" → "~", "2f" → "%2F"
for number = 0, 255 do
  local plain = char(number)
  local value = plain:find("^[%w%-._~]$") and plain or format("%%%02X", number)
  for _, first in ipairs { "%x", "%X" } do
    for _, second in ipairs { "%x", "%X" } do
      local high, low = math.floor(number / 16), number % 16
      UPPER_OR_PLAIN[format(first, high) .. format(second, low)] = value
    end
  end
end

local function escaped(found)
  return format("%%%02X", byte(found))
end

-- Where the first character stands that is not plain; nil: there is none.
local function odd_place(text)
  local plain = texts.span(text, PLAIN)
  return plain < #text and plain + 1 or nil
end

local function rewritten(text)
  if not odd_place(text) then
    return text
  end
  text = text:gsub("%%(%x?%x?)", function(digits)
    return UPPER_OR_PLAIN[digits] or "%25" .. digits
  end)
  return (text:gsub("[^!$%%&-;=?-Z%[%]_a-z~]", escaped))
end

-- RFC 3986 section 5.2.4.
local function without_dot_segments(path)
  local kept, count, last = {}, 0, nil
  for segment in (sub(path, 2) .. "/"):gmatch("([^/]*)/") do
    last = segment
    if segment == ".." then
      count = count > 0 and count - 1 or 0
    elseif segment ~= "." then
      count = count + 1
      kept[count] = segment
    end
  end
  if last == "." or last == ".." then
    count = count + 1
    kept[count] = ""
  end
  return "/" .. table.concat(kept, "/", 1, count)
end

-- target: a request target in origin form, any bytes. Returns path and query; the query is nil where there is
-- none or it is empty. What is spelled right already is returned as it is.
function _M.normalize(target)
  local odd = odd_place(target)
  local fragment = odd and find(target, "#", odd, true)
  if fragment then
    target = sub(target, 1, fragment - 1)
  end
  local path, query = target, nil
  local mark = find(target, "?", 1, true)
  if mark then
    path = sub(target, 1, mark - 1)
    query = mark < #target and sub(target, mark + 1) or nil
  end
  if odd then
    path, query = rewritten(path), query and rewritten(query)
  end
  if byte(path) ~= 47 then
    path = "/" .. path
  end
  if find(path, "/.", 1, true) then
    path = without_dot_segments(path)
  end
  return path, query
end

-- Is it spelled as normalize would spell it? May say no of one that is, never yes of one that is not.
function _M.is_normal(target)
  return byte(target) == 47 and byte(target, -1) ~= 63
    and not odd_place(target) and not find(target, "/.", 1, true)
end

return _M
