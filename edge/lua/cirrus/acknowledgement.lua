-- What an edge says about itself in Redis: how far it is, what it refused, whether its clock is right.
local cjson = require "cjson.safe"
local intake = require "cirrus.intake"
local keyring = require "cirrus.tls.keyring"
local keyspace = require "cirrus.keyspace"
local settings = require "cirrus.settings"

local state = ngx.shared.cirrus_state

local _M = {}

-- Entries kept in the stream of acknowledgements; the control plane reads it every few seconds.
local ACKS_LENGTH = 1000

local function text_of(value)
  -- Numbers past 10^14 would otherwise be written with an exponent.
  return type(value) == "number" and value % 1 == 0 and string.format("%d", value) or tostring(value)
end

-- The fields of cdn:ack:{node}, as a flat list.
function _M.fields()
  ngx.update_time()
  return {
    "epoch", text_of(state:get("epoch") or 0),
    "rev", text_of(state:get("rev") or 0),
    "stream", state:get("stream") or "0-0",
    "at", string.format("%.3f", ngx.now()),
    "state", state:get("version") and "live" or "loading",
    "config_errors", text_of(state:get("config_errors") or 0),
    "refusals", cjson.encode(intake.refusals()),
    "refusals_cut", intake.refusals_cut() and "1" or "0",
    "orphans", text_of(state:get("orphans") or 0),
    "orphan_names", state:get("orphan_names") or "[]",
    "version", settings.get().version,
    "skew", string.format("%.3f", state:get("skew") or 0),
    "domains", text_of(state:get("domains") or 0),
    "keys", table.concat(keyring.ids(), ","),
  }
end

-- Write them; where the revision has grown, also to the stream, whose ids are times of Redis's clock.
function _M.send(pipeline, last_sent)
  local node = settings.get().node
  local epoch, rev = state:get("epoch") or 0, state:get("rev") or 0
  local commands = { { "hset", keyspace.ack_key(node), unpack(_M.fields()) } }
  if epoch ~= last_sent.epoch or rev ~= last_sent.rev then
    commands[2] = { "xadd", keyspace.acks_key(node), "MAXLEN", "~", ACKS_LENGTH, "*",
      "epoch", text_of(epoch), "rev", text_of(rev) }
  end
  pipeline(commands)
  return { epoch = epoch, rev = rev, at = ngx.now() }
end

return _M
