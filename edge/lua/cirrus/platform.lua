-- What is called differently on OpenResty and on Debian's nginx, and the libc calls that both lack.
local ffi = require "ffi"

ffi.cdef [[
int kill(int pid, int sig);
int fileno(void *stream);
int fsync(int fd);
int truncate(const char *path, long length);
]]

local _M = {}

local function first_of(...)
  local problem
  for _, name in ipairs({ ... }) do
    local found, module = pcall(require, name)
    if found then
      return module
    end
    problem = module
  end
  error(problem, 2)
end

-- The Redis client: lua-resty-redis under either name.
function _M.redis()
  return first_of("resty.redis", "nginx.redis")
end

-- The DNS client: lua-resty-dns under either name.
function _M.dns()
  return first_of("resty.dns.resolver", "nginx.dns.resolver")
end

-- Does a process with this pid exist?
function _M.is_alive(pid)
  return ffi.C.kill(pid, 0) == 0
end

-- Have the kernel write an open file to the disk.
function _M.sync(file)
  return ffi.C.fsync(ffi.C.fileno(file)) == 0
end

-- Cut a file off after `length` bytes.
function _M.truncate(path, length)
  return ffi.C.truncate(path, length) == 0
end

return _M
