-- Globs over whole paths: "?" is one character and "*" any number of them, but never "/"; "**" is anything.
--
--   globs.matches("/img/*.jpg", "/img/a.jpg")  → true          "/img/a/b.jpg" → false
--   globs.matches("/img/**.jpg", "/img/a/b.jpg")  → true
--
-- A failed look goes back to the last star alone, so the time is at most pattern × path: no pattern is slow.
local byte = string.byte

local _M = {}

local STAR, MARK, SLASH = byte("*"), byte("?"), byte("/")

function _M.matches(pattern, path)
  local p, s, last = 1, 1, #path
  local star, star_at, globstar, globstar_at -- where to go on in the pattern, and from where in the path
  while true do
    local want, have = byte(pattern, p), byte(path, s)
    if want == STAR and byte(pattern, p + 1) == STAR then
      p = p + 2
      globstar, globstar_at, star = p, s, nil
    elseif want == STAR then
      p = p + 1
      star, star_at = p, s
    elseif not want and not have then
      return true
    elseif want and have and (want == have or (want == MARK and have ~= SLASH)) then
      p, s = p + 1, s + 1
    elseif star and star_at <= last and byte(path, star_at) ~= SLASH then
      star_at = star_at + 1
      p, s = star, star_at
    elseif globstar and globstar_at <= last then
      globstar_at = globstar_at + 1
      p, s, star = globstar, globstar_at, nil
    else
      return false
    end
  end
end

return _M
