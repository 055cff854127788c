-- The arguments of a query, each with its name decoded: for conditions and for keys.
--
--   arguments.split("b=1&a%5B%5D=x%20y&c")
--     -->  { { text = "b=1", name = "b", value = "1" }, { text = "a%5B%5D=x%20y", name = "a[]", value = "x%20y" },
--            { text = "c", name = "c", value = "" } }
--
-- Escapes are decoded, so that one name is found in each of its spellings; "+" is left alone.
local _M = {}

local find, sub = string.find, string.sub

local function from_hex(digits)
  return string.char(tonumber(digits, 16))
end

function _M.decode(text)
  if not find(text, "%", 1, true) then
    return text
  end
  return (text:gsub("%%(%x%x)", from_hex))
end
local decode = _M.decode

-- query: text, or nil. Values stay as they are spelled, since few of them are ever compared.
function _M.split(query)
  local found, count, from = {}, 0, 1
  while query and from do
    local mark = find(query, "&", from, true)
    local text = sub(query, from, (mark or 0) - 1)
    local equals = find(text, "=", 1, true)
    count = count + 1
    found[count] = {
      text = text,
      name = decode(equals and sub(text, 1, equals - 1) or text),
      value = equals and sub(text, equals + 1) or "",
    }
    from = mark and mark + 1
  end
  return found
end

return _M
