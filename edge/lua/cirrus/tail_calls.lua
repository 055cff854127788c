-- Wraps those functions of `resty.core` that end in a call of C, so that LuaJIT compiles them. Loaded before all that
-- uses them.
--
-- `return tonumber(C.ngx_http_lua_ffi_now())` is a tail call. LuaJIT cannot begin to compile at a function that leaves
-- by one into C: it tries, gives up, and after ten times never compiles that function again, nor anything that calls
-- it. Where it begins is a matter of chance, so what one worker compiles, the next one may interpret. A function around
-- it is met first. Our own small functions keep their last result in a variable.
require "resty.core"

-- luacheck: ignore 122 (what is replaced here is nginx's own, which nobody else shall touch)

local function wrapped(call)
  return function(a, b)
    local result = call(a, b)
    return result
  end
end

local variables, headers = getmetatable(ngx.var), getmetatable(ngx.header)
variables.__index = wrapped(variables.__index)
headers.__index = wrapped(headers.__index)

ngx.now = wrapped(ngx.now)
ngx.time = wrapped(ngx.time)
ngx.md5_bin = wrapped(ngx.md5_bin)
ngx.req.start_time = wrapped(ngx.req.start_time)
ngx.worker.pid = wrapped(ngx.worker.pid)
