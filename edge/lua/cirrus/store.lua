-- This edge's copy of the keyspace, in shared memory: what every worker reads and only the subscriber writes.
--
-- cirrus_docs   doc:{kind}:{key}  → the document's text        rev:{kind}:{key} → revision, flags = epoch
--               host:{name}       → the domain that owns the name   gone:{kind}:{key} → revision, flags = epoch
-- cirrus_state  version → grows with every change; workers compare it at each request
--
-- Nothing in cirrus_docs is ever evicted: a document that finds no room is refused and the old one stays.
local cjson = require "cjson.safe"

local docs = ngx.shared.cirrus_docs
local state = ngx.shared.cirrus_state

local _M = {}

-- The revision and epoch of the newest state of a document that is known here, withdrawn or not: 0, 0 if none.
function _M.known(kind, key)
  local name = kind .. ":" .. key
  local rev, epoch = docs:get("rev:" .. name)
  if not rev then
    rev, epoch = docs:get("gone:" .. name)
  end
  return rev or 0, epoch or 0
end

-- The revision and epoch of a document that is here, or nil.
function _M.revision(kind, key)
  return docs:get("rev:" .. kind .. ":" .. key)
end

function _M.text(kind, key)
  return docs:get("doc:" .. kind .. ":" .. key)
end

-- The domain that owns a host name (or a wildcard, spelled as one).
function _M.owner(host)
  return docs:get("host:" .. host)
end

local function names_of(document)
  local names = { document.host }
  for _, alias in ipairs(document.aliases) do
    names[#names + 1] = alias
  end
  return names
end

-- While a name moves from one domain to another, both may claim it for a moment: the newer document wins.
local function claim(document)
  for _, name in ipairs(names_of(document)) do
    local owner = docs:get("host:" .. name)
    local rev, epoch
    if owner and owner ~= document.host then
      rev, epoch = _M.revision("domain", owner)
    end
    if not rev or epoch < document.epoch or (epoch == document.epoch and rev < document.rev) then
      local done, problem = docs:safe_set("host:" .. name, document.host)
      if not done then
        return nil, problem
      end
    end
  end
  return true
end

local function release(document, kept)
  for _, name in ipairs(names_of(document)) do
    if not kept[name] and docs:get("host:" .. name) == document.host then
      docs:delete("host:" .. name)
    end
  end
end

local function previous(kind, key)
  local text = _M.text(kind, key)
  return text and cjson.decode(text)
end

-- Store a document that has been checked. true, or nil and why there was no room (the old one stays).
function _M.put(kind, key, text, document)
  local name = kind .. ":" .. key
  local before = previous(kind, key)
  local done, problem = docs:safe_set("doc:" .. name, text)
  if done and kind == "domain" then
    done, problem = claim(document)
  end
  done = done and docs:safe_set("rev:" .. name, document.rev, 0, document.epoch)
  if not done then
    if before then
      docs:safe_set("doc:" .. name, cjson.encode(before))
    else
      docs:delete("doc:" .. name)
    end
    return nil, "no room for it (" .. tostring(problem) .. "); raise CIRRUS_EDGE_CONFIG_MEMORY"
  end
  docs:delete("gone:" .. name)
  if kind == "domain" and before then
    local kept = {}
    for _, host in ipairs(names_of(document)) do
      kept[host] = true
    end
    release(before, kept)
  end
  return true
end

-- Forget a document because its withdrawal, with this revision, says so.
function _M.withdraw(kind, key, epoch, rev)
  local name = kind .. ":" .. key
  local before = previous(kind, key)
  docs:safe_set("gone:" .. name, rev, 0, epoch)
  docs:delete("rev:" .. name)
  docs:delete("doc:" .. name)
  if kind == "domain" and before then
    release(before, {})
  end
end

-- Let the workers see what has been stored.
function _M.publish()
  state:incr("version", 1, 0)
end

-- The version of the copy: nil until something complete has been loaded.
function _M.version()
  return state:get("version")
end

-- Every document that is here, as { domain = { [key] = rev }, … }. It locks the memory while it reads:
-- for the start of a subscriber only.
function _M.keys()
  local found = {}
  for _, name in ipairs(docs:get_keys(0)) do
    local kind, key = name:match("^rev:(%w+):(.+)$")
    if kind then
      found[kind] = found[kind] or {}
      found[kind][key] = docs:get(name)
    end
  end
  return found
end

return _M
