"""The groups of routes in /openapi.json, in the order in which the document browsers show them."""

from __future__ import annotations

TAGS = {
    "PVs": "The catalogue: which process variables there are. A PV has up to three addresses: what is set (setpoint), "
    "what is read back (readback), and how it is configured.",
    "Tags": "Names that PVs carry, in groups: an area, a kind of magnet, a responsible person.",
    "Live values": "The machine as the monitor sees it, and single PVs read and written directly. The WebSocket "
    "`/v1/ws/pvs` sends changes as they come.",
    "Snapshots": "The state of the machine, saved; compared with each other and with the machine.",
    "Restore": "Putting a machine back: planned first, then executed exactly as planned, read back, and reversible.",
    "Cameras": "Pictures of image PVs: stills, clips, a live view.",
    "Jobs": "Long work that goes on in the background: how far it is, how it ended, and the way to stop it.",
    "Health": "Whether the server, its monitor and the machine are well. For people, for programs that watch, and for "
    "whatever starts and stops processes.",
    "API keys": "The credentials of programs: scopes, expiry, addresses, rotation.",
    "Logins": "Tokens for people: OAuth 2.0 (RFC 6749), their revocation and introspection.",
    "Identity providers": "Logging in with an account of somewhere else: OpenID Connect.",
    "Registration": "For people who have no account yet, or forgot its password. None of these answers tells whether "
    "an address has an account.",
    "Profile": "One's own account.",
    "Sessions": "Where somebody is logged in, and the end of it.",
    "Users": "People, for administrators.",
    "Administration": "The audit trail, what runs by itself, outgoing mail, retention, and the server itself.",
}
