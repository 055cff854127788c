"""Node health as pure functions: what probes found, and a time, in; states of nodes out.

`damping` turns the probes of one vantage point into its verdict on a node, `votes` the verdicts of all
vantage points into a consensus, `decision` the consensus into changes of state, and says which regions
have too little left. Nothing here knows of Redis, SQL or HTTP: see `edge.health` for those.
"""
