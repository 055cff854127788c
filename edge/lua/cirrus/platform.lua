-- What is called differently on OpenResty and on Debian's nginx, and the libc calls that both lack.
local ffi = require "ffi"

ffi.cdef [[
int kill(int pid, int sig);
int fileno(void *stream);
int fsync(int fd);
int truncate(const char *path, long length);
int getppid(void);
typedef struct { /* statvfs(3) of 64-bit Linux */
  unsigned long bsize, frsize, blocks, bfree, bavail, files, ffree, favail, fsid, flag, namemax;
  int spare[16];
} cirrus_statvfs;
int statvfs(const char *path, cirrus_statvfs *found);
]]

local SIGUSR1 = 10

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

-- Bytes that this user may still write to the file system of `path`, or nil and why. No free inode is no room.
function _M.free_bytes(path)
  local found = ffi.new("cirrus_statvfs")
  if ffi.C.statvfs(path, found) ~= 0 then
    return nil, path .. " cannot be looked at (error " .. ffi.errno() .. ")"
  end
  if found.files > 0 and found.favail == 0 then
    return 0
  end
  return tonumber(found.bavail) * tonumber(found.frsize)
end

-- May this worker send signals to nginx's master? Not where the master is root's and the workers are not.
function _M.may_signal_master()
  local master = require("ngx.process").get_master_pid()
  return master ~= nil and master == ffi.C.getppid() and ffi.C.kill(master, 0) == 0
end

-- Have the master and all workers open their log files anew.
function _M.reopen_logs()
  return ffi.C.kill(ffi.C.getppid(), SIGUSR1) == 0
end

return _M
