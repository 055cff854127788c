-- This edge's copy of the keyspace, in shared memory: what every worker reads and only the subscriber writes.
--
-- cirrus_docs   doc:{kind}:{key}  → the document's text        rev:{kind}:{key} → revision, flags = epoch
--               host:{name}       → the domain that owns the name   gone:{kind}:{key} → revision, flags = epoch
--               here              → 1, once somebody has filled it
--
-- A change lets the beacon's version grow, which workers compare at each request. The purges of a site are spread
-- out in a memory of their own (cirrus.purges).
--
-- Nothing in cirrus_docs is ever evicted: a document that finds no room is refused and the old one stays.
local beacon = require "cirrus.beacon"
local cjson = require "cjson.safe"
local generation = require "cirrus.generation"
local purges = require "cirrus.purges"

local docs = ngx.shared.cirrus_docs
local state = ngx.shared.cirrus_state

local _M = {}

-- Is some of the memory new, and so empty: at a start, or at a reload that gave it another size? True once.
function _M.is_new()
  local is_new = docs:safe_add("here", 1)
  return purges.is_new() or is_new
end

-- The revision and epoch of a document that is here, or nil. A purge is here where its records are: a reload may have
-- taken their memory, and a worker of before the reload notes what it takes into the memory that it has.
function _M.revision(kind, key)
  local rev, epoch = docs:get("rev:" .. kind .. ":" .. key)
  if rev and kind == "purge" and not purges.has(key, rev, epoch or 0) then
    return nil
  end
  return rev, epoch or 0
end

-- The revision and epoch of the newest state of a document that is known here, withdrawn or not: 0, 0 if none.
function _M.known(kind, key)
  local rev, epoch = _M.revision(kind, key)
  if not rev then
    rev, epoch = docs:get("gone:" .. kind .. ":" .. key)
  end
  return rev or 0, epoch or 0
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
-- `taken` notes who had a name before.
local function claim(document, taken)
  for _, name in ipairs(names_of(document)) do
    local owner = docs:get("host:" .. name)
    local rev, epoch
    if owner and owner ~= document.host then
      rev, epoch = _M.revision("domain", owner)
    end
    if not rev or epoch < document.epoch or (epoch == document.epoch and rev < document.rev) then
      local done, problem = docs:safe_set("host:" .. name, document.host)
      if owner ~= document.host then
        taken[name] = owner
      end
      if not done then
        return nil, problem
      end
    end
  end
  return true
end

-- Let go of the names of `document` that are not those of `other` (another state of it, or nil).
local function release(document, other)
  local kept = {}
  for _, name in ipairs(other and names_of(other) or {}) do
    kept[name] = true
  end
  for _, name in ipairs(names_of(document)) do
    if not kept[name] and docs:get("host:" .. name) == document.host then
      docs:delete("host:" .. name)
    end
  end
end

local function store(kind, name, text, document, before, taken)
  local is_domain = kind == "domain"
  local done, problem = docs:safe_set("doc:" .. name, text)
  if done and is_domain then
    done, problem = claim(document, taken)
  elseif done and kind == "purge" then
    done, problem = purges.put(document.host, document, before)
  end
  if done then
    done, problem = docs:safe_set("rev:" .. name, document.rev, 0, document.epoch)
  end
  return done, problem
end

-- Back to how it was: what is deleted here made the room that the old state needs.
local function put_back(name, document, before, text, is_domain, taken)
  docs:delete("doc:" .. name)
  if is_domain then
    release(document, before)
    for host, owner in pairs(taken) do
      docs:safe_set("host:" .. host, owner)
    end
  end
  if before then
    docs:safe_set("doc:" .. name, text)
    if is_domain then
      claim(before, {})
    end
  end
end

-- Purges must not be refused for want of room: then everything of the site is purged, and if not even that can be
-- noted, everything that this edge has.
local function put_widened(name, document, before)
  local wide = purges.widened(document)
  docs:delete("doc:" .. name)
  local done, problem = store("purge", name, cjson.encode(wide), wide, before, {})
  if not done then
    generation.renew("there was no room for the purges of " .. document.host)
  end
  return done, problem
end

-- Store a document that has been checked. true, or nil and why there was no room (the old one stays).
--
-- The revision comes last, and the names that are given up first: if this process is killed on the way, the change
-- is applied again, and ends the same.
function _M.put(kind, key, text, document)
  local name, is_domain, taken = kind .. ":" .. key, kind == "domain", {}
  local old_text = _M.text(kind, key)
  local before = old_text and cjson.decode(old_text)
  if is_domain and before then
    release(before, document)
  end
  local done, problem = store(kind, name, text, document, before, taken)
  if not done and kind == "purge" then
    done, problem = put_widened(name, document, before)
  end
  if not done then
    put_back(name, document, before, old_text, is_domain, taken)
    return nil, "no room for it (" .. tostring(problem) .. "); raise CIRRUS_EDGE_CONFIG_MEMORY"
  end
  docs:delete("gone:" .. name)
  return true
end

-- Forget a document because its withdrawal, with this revision, says so. The tombstone comes last: a process that is
-- killed on the way does all of it again.
function _M.withdraw(kind, key, epoch, rev)
  local name = kind .. ":" .. key
  local before = cjson.decode(_M.text(kind, key) or "")
  if before and kind == "domain" then
    release(before)
  elseif before and kind == "purge" then
    purges.forget(key, before)
  end
  docs:delete("doc:" .. name)
  docs:delete("rev:" .. name)
  docs:safe_set("gone:" .. name, rev, 0, epoch)
end

-- Let the workers see what has been stored.
function _M.publish()
  local numbers = beacon.numbers()
  beacon.bump(beacon.VERSION)
  state:set("version", numbers[beacon.VERSION])
  if numbers[beacon.MODE] == beacon.LOADING then
    state:set("catching_up", true)
    numbers[beacon.MODE] = beacon.CATCHING_UP
  end
end

-- Has something complete been loaded?
function _M.is_loaded()
  return beacon.numbers()[beacon.MODE] ~= beacon.LOADING
end

-- Loaded from the snapshot, and Redis has not yet said what was purged meanwhile.
function _M.is_catching_up()
  return beacon.numbers()[beacon.MODE] == beacon.CATCHING_UP
end

-- Every document that is here, as { domain = { [key] = true }, … }, and every tombstone in the same form. It locks
-- the memory while it reads: for the start of a subscriber only.
function _M.keys()
  local found = { rev = {}, gone = {} }
  for _, name in ipairs(docs:get_keys(0)) do
    local what, kind, key = name:match("^(%l+):(%w+):(.+)$")
    local of_kind = found[what]
    if of_kind then
      of_kind[kind] = of_kind[kind] or {}
      of_kind[kind][key] = true
    end
  end
  return found.rev, found.gone
end

return _M
