"""The hidden primary: serves zones from Redis to configured secondaries, and to nobody else.

`zone` is what is served, `wire` how it looks in packets, `difference` and `journal` how versions follow
one another; `keys` and `answering` decide on one query; `sockets` reads and writes packets within
`limits`; `following` keeps up with Redis; `notifying` tells secondaries; `status` is for monitoring.
"""
