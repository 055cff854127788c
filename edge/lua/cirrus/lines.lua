-- Request headers that stand in several lines. nginx's variables have the first line alone while origins get all of
-- them, and take the last, or both: what such a request is for is not known here.
--
--   lines.read()  -->  { ["accept-language"] = "de", ["x-currency"] = { "EUR", "USD" } }, or nil: too many to look at
--   lines.repeats({ "x-currency" })  -->  true: one of these stands in several lines, or there are too many lines
local _M = {}

-- Nobody sends more, but those who want to hide one.
local MOST = 100

-- Names in lower case; to be read with rawget, since this table spells odd names anew.
function _M.read()
  local headers, problem = ngx.req.get_headers(MOST)
  return not problem and headers or nil
end

function _M.repeats(names)
  local headers = _M.read()
  if not headers then
    return true
  end
  for i = 1, #names do
    if type(rawget(headers, names[i])) == "table" then
      return true
    end
  end
  return false
end

return _M
