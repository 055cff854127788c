"""The whole of Cirrus on one machine: `just up`.

`preflight` finds what is in the way, `processes` says what runs, `keeper` keeps each of it running,
`stack` runs the keepers under honcho, `control` talks to them, `health` asks the servers themselves.
"""
