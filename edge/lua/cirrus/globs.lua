-- Globs over whole paths: "?" is one character and "*" any number of them, but never "/"; "**" is anything.
--
--   globs.matches("/img/*.jpg", "/img/a.jpg")  → true          "/img/a/b.jpg" → false
--   globs.matches("/img/**.jpg", "/img/a/b.jpg")  → true
--
-- A failed look goes back to the last star alone, and what follows a "**" does not look twice at a segment in which
-- its first star has failed, so the time is at most pattern × path: no path makes a pattern slow.
local byte, find = string.byte, string.find

local _M = {}

local STAR, MARK, SLASH = byte("*"), byte("?"), byte("/")

function _M.matches(pattern, path)
  local p, s, last = 1, 1, #path
  local star, star_at, globstar, globstar_at -- where to go on in the pattern, and from where in the path
  local first_at, failed_to = 0, 0 -- of the first star after the globstar: where it was met, up to where it is in vain
  while true do
    local want, have = byte(pattern, p), byte(path, s)
    if want == STAR and byte(pattern, p + 1) == STAR then
      p = p + 2
      globstar, globstar_at, star, failed_to = p, s, nil, 0
    elseif want == STAR and (star or s > failed_to) then
      p = p + 1
      first_at = star and first_at or s
      star, star_at = p, s
    elseif not want and not have then
      return true
    elseif want and have and want ~= STAR and (want == have or (want == MARK and have ~= SLASH)) then
      p, s = p + 1, s + 1
    elseif star and star_at <= last and byte(path, star_at) ~= SLASH then
      star_at = star_at + 1
      p, s = star, star_at
    elseif globstar and globstar_at <= last then
      if star then
        failed_to = find(path, "/", first_at, true) or last + 1
      end
      globstar_at = globstar_at + 1
      p, s, star = globstar, globstar_at, nil
    else
      return false
    end
  end
end

return _M
