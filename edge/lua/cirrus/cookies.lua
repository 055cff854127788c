-- One cookie of a request, as every origin reads it, or the knowledge that they may differ.
--
--   cookies.find("a=b; currency=EUR", "currency")             -->  "EUR", false
--   cookies.find("currency=EUR; currency=USD", "currency")    -->  "EUR", true: which of them?
--   cookies.find("Currency=USD", "currency")                  -->  nil, true
--
-- Pairs end at semicolons, and names are what they are in every letter (RFC 6265 section 5.4). But there are origins
-- that end pairs at commas too, keep what is quoted together, ignore case, decode "%79", or take "." for "_".
local find, gmatch, gsub, match, sub = string.find, string.gmatch, string.gsub, string.match, string.sub

local _M = {}

-- More pairs than this are not looked at: browsers keep 180 for a site.
local MOST = 500

-- Linear in whatever strangers send.
local function trim(text)
  return find(text, "%S") and match(text, "^%s*(.*%S)") or ""
end

local function decode(digits)
  return string.char(tonumber(digits, 16))
end

-- What a lax origin may take a name for.
local function lax(name)
  if find(name, "%", 1, true) then
    name = gsub(name, "%%(%x%x)", decode)
  end
  return (gsub(trim(gsub(name, '"', "")):lower(), "[. %[+]", "_"))
end

local function split(pair)
  local at = find(pair, "=", 1, true)
  if at then
    return sub(pair, 1, at - 1), sub(pair, at + 1)
  end
  return pair, nil
end

-- Does a quoted text begin in this pair that an origin may take to end in another one?
local function opens_quote(pair)
  if not find(pair, '"', 1, true) then
    return false
  end
  local _, quotes = gsub(pair, '"', "")
  return quotes % 2 == 1 or find(pair, "\\", 1, true) ~= nil
end

-- field: the Cookie header, its lines joined by "; ", or nil. Returns the value or nil, and: may an origin see another?
function _M.find(field, name)
  if not field then
    return nil, false
  end
  local wanted, value, found, seen, has_quotes = lax(name), nil, 0, 0, false
  for pair in gmatch(field, "[^;]+") do
    local own, text = split(pair)
    if text and not value and trim(own) == name then
      value = trim(text)
    end
    for piece in gmatch(pair, "[^,]+") do
      seen = seen + 1
      found = found + (lax((split(piece))) == wanted and 1 or 0)
    end
    if seen > MOST then
      return value, true
    end
    has_quotes = has_quotes or opens_quote(pair)
  end
  return value, found ~= (value and 1 or 0) or (value ~= nil and has_quotes)
end

return _M
