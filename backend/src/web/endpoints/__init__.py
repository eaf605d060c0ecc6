"""The services, spoken in HTTP: one file a group of routes."""
