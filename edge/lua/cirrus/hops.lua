-- Headers that are for one connection alone (RFC 9110 section 7.6.1): neither sent on nor stored.
--
--   hops.listed("close, X-Trace, host")  -->  { "X-Trace" }     what a Connection header names
--   hops.strip(ngx.header, "close, X-Trace")                    take them off the answer that is being received
local _M = {}

-- What Connection may say without naming a header, and what frames a message or says whom it is for.
local KEPT = {
  ["close"] = true, ["keep-alive"] = true, ["upgrade"] = true, ["te"] = true,
  ["host"] = true, ["content-length"] = true, ["transfer-encoding"] = true,
}

function _M.listed(connection)
  local names = {}
  if not connection or connection == "keep-alive" or connection == "close" then
    return names
  end
  for name in connection:gmatch("[^%s,]+") do
    if not KEPT[name:lower()] then
      names[#names + 1] = name
    end
  end
  return names
end

-- Take off the headers that the origin's Connection names. What is never for anybody else (Keep-Alive, Proxy-…) nginx
-- hides by itself. header: ngx.header; connection: the origin's, or nil.
function _M.strip(header, connection)
  for _, name in ipairs(_M.listed(connection)) do
    header[name] = nil
  end
end

-- An interim answer (103 Early Hints): nginx takes it for the final one, and would hang, or send the final one on
-- unread. Such a request must be given up.
function _M.is_interim(status)
  return status < 200 and status ~= 101 and status ~= 0
end

function _M.report_interim(status, origin)
  ngx.log(ngx.ERR, "origin ", origin, " sent an interim answer (", status, "), which this nginx cannot take")
end

return _M
