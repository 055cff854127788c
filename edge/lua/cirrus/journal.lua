-- The copy on disk, from which an edge boots when Redis and the control plane are dead.
--
-- An append-only file of records. Each begins with a line "{crc32 of the rest of the line} {rest}":
--   put {kind} {key} {crc32 of the text} {length of the text}     followed by the text and a newline
--   gone {kind} {key} {epoch} {rev}
--   mark {epoch} {rev} {stream id}      everything up to here has been applied
--
-- A record is written after its document was accepted, so a bad document is never the boot file. What a
-- crash left half-written at the end is recognized by its checksums and cut off. The file is written anew
-- (to the side, then renamed) when most of it is history. Texts are never copied into longer strings:
-- LuaJIT pays dearly for many long strings that are nearly alike.
local platform = require "cirrus.platform"

local _M = {}
local mt = { __index = _M }

-- The file is written anew from this size on, once it is three times as long as after the last time.
local MIN_REWRITE = 4 * 1024 * 1024
-- Records that are written in one go, before requests have their turn.
local PORTION = 200

local function line(rest)
  return string.format("%08x %s\n", ngx.crc32_long(rest), rest)
end

-- The records, as tables: { "put", kind, key, text }, { "gone", kind, key, epoch, rev }, { "mark", epoch, rev, id }.
-- Returns the number of bytes written, or nil and why not.
local function write(file, record)
  local op = record[1]
  local head, body
  if op == "put" then
    body = record[4]
    head = line(string.format("put %s %s %08x %d", record[2], record[3], ngx.crc32_long(body), #body))
  elseif op == "gone" then
    head = line(string.format("gone %s %s %d %d", record[2], record[3], record[4], record[5]))
  else
    head = line(string.format("mark %d %d %s", record[2], record[3], record[4]))
  end
  local done, problem = file:write(head)
  if done and body then
    done, problem = file:write(body, "\n")
  end
  if not done then
    return nil, problem
  end
  return #head + (body and #body + 1 or 0)
end

local function read_record(file)
  local head = file:read("*l")
  local crc, rest = (head or ""):match("^(%x+) (.+)$")
  if not crc or ngx.crc32_long(rest) ~= tonumber(crc, 16) then
    return nil
  end
  local op, a, b, c, d = rest:match("^(%a+) (%S+) (%S+) ?(%S*) ?(%S*)$")
  if op == "gone" then
    return { op, a, b, tonumber(c), tonumber(d) }, #head + 1
  elseif op == "mark" then
    return { op, tonumber(a), tonumber(b), c }, #head + 1
  end
  local text = file:read(tonumber(d))
  if not text or file:read(1) ~= "\n" or ngx.crc32_long(text) ~= tonumber(c, 16) then
    return nil
  end
  return { op, a, b, text }, #head + #text + 2
end

-- Calls visit(record) for each whole record. Returns the number of bytes that are whole.
function _M.read(path, visit)
  local file = io.open(path, "rb")
  local whole = 0
  while file do
    local record, size = read_record(file)
    if not record then
      file:close()
      break
    end
    visit(record)
    whole = whole + size
  end
  return whole
end

-- Open for appending after the first `whole` bytes; what follows them is cut off.
function _M.open(path, whole)
  local file, problem = io.open(path, "ab")
  if not file then
    return nil, "could not open the snapshot: " .. tostring(problem)
  end
  if file:seek("end") > whole then
    platform.truncate(path, whole)
  end
  return setmetatable({ path = path, file = file, size = whole, live = 0 }, mt)
end

-- Append records. true, or nil and why (the disk is full, say: the edge serves on from memory).
function _M:append(records)
  local added = 0
  local problem
  for _, record in ipairs(records) do
    local size
    size, problem = write(self.file, record)
    if not size then
      break
    end
    added = added + size
  end
  local flushed = not problem and self.file:flush()
  if not flushed then
    self.file:close() -- with what it still held back, which would else stand before the next record
    platform.truncate(self.path, self.size)
    self.file = assert(io.open(self.path, "ab"))
    return nil, "could not write the snapshot: " .. tostring(problem or "the disk may be full")
  end
  self.size = self.size + added
  return true
end

function _M:wants_rewrite()
  return self.size > MIN_REWRITE and self.size > 3 * self.live
end

-- Write the file anew from an iterator of records. true, or nil and why (the old file stays in use).
function _M:rewrite(records)
  local draft = self.path .. ".new"
  os.remove(draft)
  local file, problem = io.open(draft, "ab")
  local total, count = 0, 0
  for record in file and records or function() end do
    local size
    size, problem = write(file, record)
    if not size then
      break
    end
    total, count = total + size, count + 1
    if count % PORTION == 0 then
      ngx.sleep(0.001)
    end
  end
  local done = file and not problem and file:flush() and platform.sync(file) and os.rename(draft, self.path)
  if not done then
    if file then
      file:close()
    end
    os.remove(draft)
    return nil, "could not write the snapshot anew: " .. tostring(problem or "the disk may be full")
  end
  self.file:close()
  self.file, self.size, self.live = file, total, total
  return true
end

function _M:close()
  self.file:close()
end

return _M
