-- Entries of the stream of changes, as XREAD gives them, and the order in which they stand.
--
--   entries = { { "1795508917661-0", { "kind", "domain", "key", "www.example.com", "rev", "7", … } } }
--   changes.follow(entries, last)   is nothing missing after `last`, and is each entry as it should be?
--   changes.newest(entries)         -->  { { id = …, kind = "domain", key = …, epoch = …, rev = 7, op = "put" } }
local keyspace = require "cirrus.keyspace"

local _M = {}

-- The fields of one entry, with numbers as numbers (nil where they are none).
function _M.fields(entry)
  local map = {}
  for i = 1, #entry[2], 2 do
    map[entry[2][i]] = entry[2][i + 1]
  end
  map.id, map.epoch, map.rev = entry[1], tonumber(map.epoch), tonumber(map.rev)
  return map
end

-- Is it the same place in the stream? Before the first entry there are two spellings.
function _M.same_place(id, other)
  return id == other or ((id == "0-0" or id == "") and (other == "0-0" or other == ""))
end

-- Which of two ids of the stream is the later one? "1795508917661-2" > "1795508917661-0"
function _M.is_later(id, other)
  local ms, n = id:match("^(%d+)-(%d+)$")
  local other_ms, other_n = other:match("^(%d+)-(%d+)$")
  if not ms or not other_ms then
    return ms ~= nil
  end
  ms, other_ms = tonumber(ms), tonumber(other_ms)
  return ms > other_ms or (ms == other_ms and tonumber(n) > tonumber(other_n))
end

-- Does each entry follow the one before it, and is each one as the control plane writes it?
function _M.follow(entries, last)
  for _, entry in ipairs(entries) do
    local change = _M.fields(entry)
    if not (change.kind and change.key and change.epoch and change.rev and _M.same_place(change.prev, last)) then
      return false
    end
    last = change.id
  end
  return true
end

-- The newest entry of each document, oldest first. A newer control plane may know more kinds: those are left out.
function _M.newest(entries)
  local seen, backwards, list = {}, {}, {}
  for i = #entries, 1, -1 do
    local change = _M.fields(entries[i])
    local name = change.kind .. ":" .. change.key
    if keyspace.DOCUMENTS[change.kind] and not seen[name] then
      seen[name] = true
      backwards[#backwards + 1] = change
    end
  end
  for i = #backwards, 1, -1 do
    list[#list + 1] = backwards[i]
  end
  return list
end

return _M
