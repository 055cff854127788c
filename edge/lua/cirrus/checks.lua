-- How a value must look: checks that the documents are described with.
--
--   checks.fields({ port = 70000 }, { port = checks.integer(1, 65535) })
--     -->  "port must be a whole number from 1 to 65535"      nil where all is well
--
-- A check is a function of a value that returns nothing, or what is wrong as the rest of a sentence.
local _M = {}

function _M.integer(low, high)
  return function(value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < low or value > high then
      return "must be a whole number from " .. low .. " to " .. high
    end
  end
end

function _M.text(low, high, pattern)
  return function(value)
    if type(value) ~= "string" or #value < low or #value > high then
      return "must be a text of " .. low .. " to " .. high .. " characters"
    end
    if pattern and not value:match(pattern) then
      return "has characters that it may not have"
    end
  end
end

function _M.boolean(value)
  if type(value) ~= "boolean" then
    return "must be true or false"
  end
end

function _M.one_of(...)
  local allowed = { ... }
  return function(value)
    for _, item in ipairs(allowed) do
      if value == item then
        return nil
      end
    end
    return "must be one of " .. table.concat(allowed, ", ")
  end
end

local check_fields

-- An array of `low` to `high` items, each checked by `item` (a function, or a table of fields).
function _M.list(low, high, item)
  return function(value)
    if type(value) ~= "table" then
      return "must be a list"
    end
    local count = 0
    for key in pairs(value) do
      count = count + 1
      if type(key) ~= "number" then
        return "must be a list"
      end
    end
    if count ~= #value or count < low or count > high then
      return "must have " .. low .. " to " .. high .. " items"
    end
    for i, entry in ipairs(value) do
      local problem = check_fields(entry, item)
      if problem then
        return "item " .. i .. ": " .. problem
      end
    end
  end
end

function _M.object(fields)
  return function(value)
    return check_fields(value, fields)
  end
end

-- What may be left out.
function _M.optional(check)
  return function(value)
    if value ~= nil then
      return check_fields(value, check)
    end
  end
end

function check_fields(value, fields)
  if type(fields) == "function" then
    return fields(value)
  end
  if type(value) ~= "table" then
    return "must be an object"
  end
  for name, check in pairs(fields) do
    local problem = check(value[name])
    if problem then
      return name .. " " .. problem
    end
  end
end

_M.fields = check_fields

return _M
