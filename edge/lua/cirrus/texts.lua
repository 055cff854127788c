-- Looks into texts, by libc. LuaJIT compiles no pattern: a request that matches one falls out of compiled code, and
-- most of what comes after it is interpreted. So what every request passes through uses these. Nor does it compile
-- what returns the result of a call of C at once (cirrus.tail_calls).
--
--   texts.span("/a b", accepted)     -->  2: so many bytes at the start are among the accepted ones
--   texts.after_last("/a.tar.gz", ".")  -->  "gz"; nil where there is no dot. No text with NUL.
local ffi = require "ffi"

ffi.cdef [[
size_t strspn(const char *text, const char *accepted);
char *strrchr(const char *text, int character);
]]

local C = ffi.C
local byte, text_of = string.byte, ffi.string

local _M = {}

function _M.span(text, accepted)
  local length = tonumber(C.strspn(text, accepted))
  return length
end

function _M.after_last(text, character)
  local found = C.strrchr(text, byte(character))
  if found ~= nil then
    local rest = text_of(found + 1)
    return rest
  end
end

-- All characters of a class, as `accepted`: texts.class("[%w%-]").
function _M.class(pattern)
  local found = {}
  for number = 1, 255 do
    local one = string.char(number)
    found[#found + 1] = one:find(pattern) and one or nil
  end
  return table.concat(found)
end

return _M
