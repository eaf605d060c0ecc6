"""HTTP only: routes as data, access, problems; no decision is taken here."""
