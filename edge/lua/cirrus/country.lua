-- The country of a client's address, where this edge has a GeoIP database (CIRRUS_EDGE_GEOIP); "" where it has none.
--
--   country.of()  -->  "DE": of the request that is being served
local settings = require "cirrus.settings"

local _M = {}

-- nginx's own module reads the database; its variable is there only where it is configured.
function _M.of()
  return settings.get().geoip and ngx.var.cirrus_country or ""
end

return _M
