-- The keys of session tickets (RFC 5077, RFC 8446 section 4.6.1), which all edges share and which change without a
-- reload: so a session that began at one edge is resumed at another.
--
--   tickets.load(folder)          in the master: what stands in the files of nginx.conf (edge/ticket_slots.py)
--   tickets.prepare(connection)   at each handshake
--
-- nginx reads ticket keys from files, and only when it starts; keys are to be in no file. So its files hold nothing but
-- random bytes, which mark the places in its memory where each worker puts the real keys. Nothing is known here of how
-- nginx lays its keys out, but that the 80 bytes of each stand together. Where they are not found, and until the keys
-- have come, no tickets are given or taken: handshakes are all full ones then.
local beacon = require "cirrus.beacon"
local certificates = require "cirrus.tls.certificates"
local cjson = require "cjson.safe"
local ffi = require "ffi"
local keyring = require "cirrus.tls.keyring"
local limits = require "cirrus.limits"
local openssl = require "cirrus.tls.openssl"
local store = require "cirrus.store"

ffi.cdef [[
int ngx_ssl_session_ticket_keys_index; /* nginx before 1.23.2 */
int ngx_ssl_ticket_keys_index;
typedef struct { unsigned char *elements; size_t count, size, allocated; void *pool; } cirrus_ngx_array;
int memcmp(const void *one, const void *other, size_t length);
]]

local C = ffi.C

local _M = {}

local KIND = "tickets"
local SLOTS, SIZE = limits.TICKET_KEYS, certificates.TICKET_KEY
local VERSION = beacon.VERSION
-- That a client gets after a full handshake of TLS 1.3. OpenSSL would give two, for those that open several connections
-- at once; with HTTP/2 most open one. Each costs a twentieth of the handshake's instructions.
local TICKETS = 1

local marks = {}        -- what stands in the files, in nginx's order
local slots             -- where nginx has them in memory; false: not found
local seen, next_change -- the version and the time at which the keys must be looked at again
local rev, epoch
local has_keys = false

function _M.load(folder)
  for number = 1, SLOTS do
    local file = io.open(string.format("%s/%02d", folder, number), "rb")
    marks[number] = file and file:read("*a") or nil
    if file then
      file:close()
    end
  end
end

local function keys_of_nginx(connection)
  for _, name in ipairs({ "ngx_ssl_session_ticket_keys_index", "ngx_ssl_ticket_keys_index" }) do
    local known, index = pcall(function() return C[name] end)
    local found = known and C.SSL_CTX_get_ex_data(openssl.context(connection), index)
    if found and found ~= nil then
      return ffi.cast("cirrus_ngx_array *", found)
    end
  end
end

local function all_at(array, offset)
  local found = {}
  for number = 1, SLOTS do
    found[number] = array.elements + (number - 1) * array.size + offset
    if C.memcmp(found[number], marks[number], SIZE) ~= 0 then
      return nil
    end
  end
  return found
end

local function find_slots(connection)
  local array = #marks == SLOTS and keys_of_nginx(connection)
  if array and array.count == SLOTS then
    for offset = 0, tonumber(array.size) - SIZE do
      local found = all_at(array, offset)
      if found then
        return found
      end
    end
  end
  ngx.log(ngx.ERR, "this nginx keeps ticket keys in another way: no TLS session will be resumed")
  return false
end

-- The keys in nginx's order: it encrypts with the first one. That is the newest that is active already; where all are
-- of the future (this clock is slow), the oldest.
local function in_order(keys, now)
  local first = #keys
  for number = #keys, 1, -1 do
    if keys[number].active_from <= now then
      first = number
    end
  end
  local ordered = { keys[first] }
  for number, key in ipairs(keys) do
    if number ~= first then
      ordered[#ordered + 1] = key
    end
  end
  return ordered
end

local function when_next(keys, now)
  local soonest = math.huge
  for _, key in ipairs(keys) do
    if key.active_from > now then
      soonest = math.min(soonest, key.active_from)
    end
  end
  return soonest
end

local function put(slot, key)
  local bytes, length = keyring.open(key.key, "tickets:" .. key.id)
  if bytes and length == SIZE then
    ffi.copy(slot, bytes, SIZE)
  else
    ngx.log(ngx.ERR, "the ticket key ", key.id, " cannot be used: ", length)
  end
  if bytes then
    openssl.wipe(bytes, length)
  end
  return bytes ~= nil
end

-- What is in no document any more is gone from memory as well.
local function install(keys, now)
  local ordered, is_first = in_order(keys, now), false
  for number, slot in ipairs(slots) do
    openssl.fill_randomly(slot, SIZE)
    local done = ordered[number] and put(slot, ordered[number])
    is_first = is_first or number == 1 and done
  end
  has_keys = is_first and #keys > 0
end

local function look(now)
  local new_rev, new_epoch = store.revision(KIND, KIND)
  if new_rev == rev and new_epoch == epoch and now < next_change then
    return
  end
  rev, epoch = new_rev, new_epoch
  local document = cjson.decode(store.text(KIND, KIND) or "")
  local keys = document and document.keys or {}
  install(keys, now)
  next_change = when_next(keys, now)
end

function _M.prepare(connection)
  if slots == nil then
    openssl.give_tickets(connection, TICKETS)
    slots, next_change = find_slots(connection), -math.huge
  end
  local version, now = beacon.numbers()[VERSION], ngx.time()
  if slots and (version ~= seen or now >= next_change) then
    seen = version
    look(now)
  end
  if not has_keys then
    openssl.without_tickets(connection)
  end
end

return _M
