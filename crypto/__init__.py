"""Identities, certificates, invitations and content hashes: bytes in, bytes out; no network, no clock."""
