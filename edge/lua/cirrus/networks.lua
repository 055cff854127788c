-- IP addresses and networks: which addresses an edge may connect to.
--
--   local deny = networks.parse_all({ "127.0.0.0/8", "::1/128" })
--   networks.contains(deny, "127.0.0.1")         -->  true
--   networks.contains(deny, "::ffff:127.0.0.1")  -->  true: a mapped address is its IPv4 address
--
-- An address is an array of 16-bit groups: two for IPv4, eight for IPv6. A network is
-- { groups = {…}, bits = n }.
local floor = math.floor

local _M = {}

local function parse_ipv4(text)
  local a, b, c, d = text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  if not a then
    return nil
  end
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if a > 255 or b > 255 or c > 255 or d > 255 then
    return nil
  end
  return { a * 256 + b, c * 256 + d }
end

-- The groups of a part of an IPv6 address that has no "::" in it.
local function parse_groups(text)
  local groups = {}
  if text == "" then
    return groups
  end
  for part in (text .. ":"):gmatch("([^:]*):") do
    local ipv4 = parse_ipv4(part)
    if ipv4 then
      groups[#groups + 1], groups[#groups + 2] = ipv4[1], ipv4[2]
    elseif part:match("^%x%x?%x?%x?$") then
      groups[#groups + 1] = tonumber(part, 16)
    else
      return nil
    end
  end
  return groups
end

local function parse_ipv6(text)
  local head, tail = text:match("^(.-)::(.*)$")
  if not head then
    local groups = parse_groups(text)
    return groups and #groups == 8 and groups or nil
  end
  local before, after = parse_groups(head), parse_groups(tail)
  if not before or not after or #before + #after > 7 then
    return nil
  end
  local groups = before
  for _ = 1, 8 - #before - #after do
    groups[#groups + 1] = 0
  end
  for _, group in ipairs(after) do
    groups[#groups + 1] = group
  end
  return groups
end

-- An IPv4 address inside an IPv6 one reaches the same machine, so it is judged as IPv4:
-- mapped (RFC 4291 section 2.5.5.2), NAT64 (RFC 6052) and 6to4 (RFC 3056) addresses.
local function embedded_ipv4(g)
  local high = g[1] + g[2] + g[3] + g[4] + g[5]
  if high == 0 and g[6] == 0xffff then
    return { g[7], g[8] }
  end
  if g[1] == 0x64 and g[2] == 0xff9b and g[3] + g[4] + g[5] + g[6] == 0 then
    return { g[7], g[8] }
  end
  if g[1] == 0x2002 then
    return { g[2], g[3] }
  end
end

-- The groups of an address, or nil where the text is none.
function _M.parse(text)
  if text:find(":", 1, true) then
    return parse_ipv6(text)
  end
  return parse_ipv4(text)
end

-- The networks of a list of texts; an invalid one is a mistake of the caller.
function _M.parse_all(texts)
  local networks = {}
  for i, text in ipairs(texts) do
    local address, bits = text:match("^(.-)/(%d+)$")
    local groups = address and _M.parse(address)
    if not groups then
      error("not a network: " .. tostring(text), 2)
    end
    networks[i] = { groups = groups, bits = tonumber(bits) }
  end
  return networks
end

local function within(groups, network)
  if #groups ~= #network.groups then
    return false
  end
  local left = network.bits
  for i, group in ipairs(groups) do
    if left <= 0 then
      return true
    end
    local size = left >= 16 and 1 or 2 ^ (16 - left)
    if floor(group / size) ~= floor(network.groups[i] / size) then
      return false
    end
    left = left - 16
  end
  return true
end

-- Is the address (a text) in one of the networks? A text that is no address is in none.
function _M.contains(networks, text)
  local groups = _M.parse(text)
  if not groups then
    return false
  end
  local inner = #groups == 8 and embedded_ipv4(groups)
  for _, network in ipairs(networks) do
    if within(groups, network) or (inner and within(inner, network)) then
      return true
    end
  end
  return false
end

return _M
