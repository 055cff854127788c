-- What one phase of a request hands to the next one of the same request, in the same breath: nginx goes from
-- set_by_lua over `return` to the header filter without doing anything else in between, so one place per worker is
-- enough.
--
--   object, host    from phases/route to phases/headers: what is served from memory, and the site's name
--   capture         from phases/headers to phases/capture
return {}
