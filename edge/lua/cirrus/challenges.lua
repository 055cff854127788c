-- What certificate authorities ask this edge for over HTTP (HTTP-01, RFC 8555 section 8.3).
--
--   challenges.proof("www.example.com", "xvaGxfADs6pS…")  -->  the key authorization, or nil
--
-- Asked for when a URL below /.well-known/acme-challenge/ is new to a worker, or something has changed: not at a hit.
local cjson = require "cjson.safe"
local memo = require "cirrus.memo"
local store = require "cirrus.store"

local _M = {}

local KIND = "challenge"
local read = memo.new(64) -- primary host → { rev, epoch, tokens }

-- host: the domain's primary name.
function _M.proof(host, token)
  local rev, epoch = store.revision(KIND, host)
  if not rev then
    return nil
  end
  local known = read:get(host)
  if not known or known.rev ~= rev or known.epoch ~= epoch then
    local document = cjson.decode(store.text(KIND, host) or "")
    known = { rev = rev, epoch = epoch, tokens = document and document.tokens or {} }
    read:set(host, known)
  end
  return known.tokens[token]
end

return _M
