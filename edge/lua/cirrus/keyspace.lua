-- The names of the Redis keyspace on the edge: the twin of edge/keyspace.py (a test compares the two).
--
--   keyspace.document_key("domain", "www.example.com")  -->  "cdn:dom:www.example.com"
local _M = {
  SCHEMA = 1,
  META = "cdn:meta",
  CHANGES = "cdn:changes",
  DOCUMENTS = {
    domain = "cdn:dom:", node = "cdn:node:", purge = "cdn:purge:",
    certificate = "cdn:cert:", challenge = "cdn:acme:http01:", tickets = "cdn:tickets:",
  },
  -- The order in which an edge loads the kinds: before a site is served it is known what was purged of it, and which
  -- certificate it has.
  KINDS = { "node", "purge", "tickets", "challenge", "certificate", "domain" },
  OP_PUT = "put",
  OP_GONE = "gone",
}

function _M.document_key(kind, key)
  return _M.DOCUMENTS[kind] .. key
end

function _M.index_key(kind)
  return "cdn:index:" .. kind
end

function _M.gone_key(kind)
  return "cdn:gone:" .. kind
end

function _M.ack_key(node)
  return "cdn:ack:" .. node
end

function _M.acks_key(node)
  return "cdn:acks:" .. node
end

-- minute: Unix time in minutes.
function _M.stats_key(node, minute)
  return "cdn:stats:" .. node .. ":" .. minute
end

return _M
