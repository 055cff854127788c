"""Watching the nodes: asking their edges (`probing`), what is known of them in Redis (`reports`), and what
is done about it (`services`). What it means is decided by pure functions in `nodes.health`."""
