"""A provider for aigw-notebook in a package of its own: a parrot, which says back what it is told."""
