"""Reports: what they say of stored games, held to the recount of the records."""
