-- The gate through which documents come in: each is checked, compared with what is here, and then stored
-- or refused. A refused one is counted and remembered with its reason, and the last good one stays.
--
--   intake.put("domain", "www.example.com", '{"schema":1,…}')  -->  "stored" | "old" | "refused"
--   intake.gone("domain", "www.example.com", epoch, rev)       -->  "gone" | "old"
local certificates = require "cirrus.tls.certificates"
local cjson = require "cjson.safe"
local documents = require "cirrus.documents"
local store = require "cirrus.store"

local state = ngx.shared.cirrus_state

local _M = {}

-- Refusals that are remembered one by one. All are counted, and that some were left out is remembered too: what
-- is not in the list may then not be taken for applied.
local MAX_REFUSALS = 20
local MAX_SENTENCE = 300

local function newer(epoch, rev, than_epoch, than_rev)
  return epoch > than_epoch or (epoch == than_epoch and rev > than_rev)
end

-- What has been refused and not been mended since: { ["domain:www.x"] = { epoch, rev, why } }.
function _M.refusals()
  return cjson.decode(state:get("refusals") or "{}") or {}
end

local function remember(refusals)
  state:set("refusals", next(refusals) and cjson.encode(refusals) or "{}")
end

local function forget(kind, key)
  local refusals = _M.refusals()
  if refusals[kind .. ":" .. key] then
    refusals[kind .. ":" .. key] = nil
    remember(refusals)
  end
end

local function count(refusals)
  local total = 0
  for _ in pairs(refusals) do
    total = total + 1
  end
  return total
end

-- Have more been refused than the list holds? Only a comparison with the whole index finds out that no more are.
function _M.refusals_cut()
  return state:get("refusals_cut") or false
end

-- A comparison begins: whatever does not fit into the list will be met again.
function _M.begin_comparison()
  state:set("refusals_cut", false)
end

-- Note that a document was not taken.
function _M.refuse(kind, key, epoch, rev, why)
  local refusals, name = _M.refusals(), kind .. ":" .. key
  local before = refusals[name]
  if before and before.epoch == epoch and before.rev == rev then
    return "refused" -- seen again at a comparison: one mistake is counted once
  end
  state:incr("config_errors", 1, 0)
  ngx.log(ngx.ERR, "refused ", kind, " ", key, " revision ", rev, ": ", why)
  if before or count(refusals) < MAX_REFUSALS then
    refusals[name] = { epoch = epoch, rev = rev, why = why:sub(1, MAX_SENTENCE) }
    remember(refusals)
  else
    state:set("refusals_cut", true)
  end
  return "refused"
end

-- Take a document's text. `epoch` and `rev` are those under which it was announced, for the report. Of one that
-- `is_own`, since it comes from this edge's snapshot, it was found out before that its key can be opened: to open
-- thousands takes seconds.
function _M.put(kind, key, text, epoch, rev, is_own)
  local document, problem = cjson.decode(text)
  if type(document) ~= "table" then
    return _M.refuse(kind, key, epoch, rev, "it is not a JSON object (" .. tostring(problem or "a plain value") .. ")")
  end
  local good, why = documents.check(kind, key, document)
  if not good then
    return _M.refuse(kind, key, tonumber(document.epoch) or epoch, tonumber(document.rev) or rev, why)
  end
  local known_rev, known_epoch = store.known(kind, key)
  if not newer(document.epoch, document.rev, known_epoch, known_rev) then
    return "old"
  end
  if not is_own then
    good, why = certificates.check(kind, document)
    if not good then
      return _M.refuse(kind, key, document.epoch, document.rev, why)
    end
  end
  good, why = store.put(kind, key, text, document)
  if not good then
    return _M.refuse(kind, key, document.epoch, document.rev, why)
  end
  forget(kind, key)
  return "stored"
end

-- Take a withdrawal.
function _M.gone(kind, key, epoch, rev)
  local known_rev, known_epoch = store.known(kind, key)
  if not newer(epoch, rev, known_epoch, known_rev) then
    return "old"
  end
  store.withdraw(kind, key, epoch, rev)
  forget(kind, key)
  return "gone"
end

return _M
