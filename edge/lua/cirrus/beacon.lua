-- Numbers that every worker sees at once, without a lock: how a worker learns that something has changed.
--
--   local numbers = beacon.numbers()      an array of doubles that all workers and reloads of one edge share
--   numbers[beacon.VERSION]               grows with every change of the configuration or of a purge
--   numbers[beacon.MODE]                  LOADING, CATCHING_UP or READY
--   numbers[beacon.slot("www.example.com")]   grows when a URL of this site is invalidated on this edge
--
-- A request compares a few of them, so they are read from a mapped file and not from a shared dictionary. The file is
-- named anew at each start, and at a reload that gives the memory another size: then the numbers of the workers from
-- before belong to the memory that those have.
local ffi = require "ffi"

ffi.cdef [[
int open(const char *path, int flags, ...);
int close(int fd);
int ftruncate(int fd, long length);
void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset);
]]

local crc32 = ngx.crc32_long
local state = ngx.shared.cirrus_state

local _M = {
  VERSION = 0,
  MODE = 1,
  LOADING = 0,
  CATCHING_UP = 1,
  READY = 2,
}

local FIRST_SLOT, SLOTS = 8, 248
local SIZE = (FIRST_SLOT + SLOTS) * 8
local O_RDWR, O_CREAT = 2, 64
local PROT_READ_WRITE, MAP_SHARED = 3, 1

local numbers

local function map(path)
  local fd = ffi.C.open(path, O_RDWR + O_CREAT, ffi.cast("int", 384)) -- 0600
  if fd < 0 then
    return nil
  end
  local address
  if ffi.C.ftruncate(fd, SIZE) == 0 then
    address = ffi.C.mmap(nil, SIZE, PROT_READ_WRITE, MAP_SHARED, fd, 0)
  end
  ffi.C.close(fd)
  if address and address ~= ffi.cast("void *", -1) then
    return ffi.cast("volatile double *", address)
  end
end

-- Map the numbers of this edge, in the master before the workers start. `folder` is its folder for passing files.
function _M.open(folder)
  local path = state:get("beacon")
  if not path then
    path = string.format("%s/beacon-%d-%d", folder, ngx.worker.pid(), ngx.now() * 1000)
    state:set("beacon", path)
  end
  numbers = assert(map(path), "could not map " .. path)
end

function _M.numbers()
  return numbers
end

-- Where the local invalidations of a site are counted. Two sites may share a place: then one looks again in vain.
function _M.slot(site)
  return FIRST_SLOT + crc32(site) % SLOTS
end

-- Let all workers look again. What they shall find must be stored before. The counter is incremented under the lock
-- of the dictionary: two workers that do this at once must not end at one number.
function _M.bump(place)
  numbers[place] = state:incr("beacon:" .. place, 1, 0)
end

return _M
