"""What emulators answer, speak and listen with: one set of local engines for all of them."""
