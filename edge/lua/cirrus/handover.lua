-- What one phase of a request hands to the next one of the same request, in the same breath: nginx goes from
-- set_by_lua over `return` to the header filter without doing anything else in between, so one place per worker is
-- enough.
--
--   handover.object    set by phases/route, taken by phases/headers
--   handover.entry     set by phases/route, for phases/fetch where the request goes past the cache
--   handover.capture   set by phases/headers, taken by phases/capture
return { object = nil, capture = nil }
