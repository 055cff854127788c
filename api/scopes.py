"""What a token may be for: `resource:verb`. A viewset names its resource; the method says the verb."""

READ, WRITE = "read", "write"

#: Resource → what it covers, for people.
RESOURCES: dict[str, str] = {
    "domains": "domains with their names, origins and cache rules",
    "purges": "purges of caches",
    "nodes": "nodes, regions and the changes of their states",
    "zones": "zones, records, name servers and steering",
    "secondaries": "the name servers that fetch zones",
    "certificates": "certificates, enrollments and orders",
    "authorities": "certificate authorities and their accounts",
    "tokens": "tokens of this API",
    "users": "users and their roles",
    "stats": "traffic statistics",
    "changes": "which edges have applied which change",
    "alarms": "alarms",
    "health": "what probes and edges say of the nodes",
    "jobs": "the scheduled jobs",
    "config": "the whole configuration, to export and to apply",
}
SCOPES: tuple[str, ...] = tuple(f"{resource}:{verb}" for resource in RESOURCES for verb in (READ, WRITE))
