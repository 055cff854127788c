"""From a certificate to all edges: tried on one, then served by all, and looked at again and again."""
