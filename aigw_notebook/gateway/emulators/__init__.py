"""Emulators of the providers, one module each, found by the provider's name."""
