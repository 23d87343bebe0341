"""The embedded gateway: AI Gateway's routes, auth and errors on this machine, with a relay or an emulator behind each."""
