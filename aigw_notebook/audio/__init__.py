"""Audio as bytes and arrays: formats, conversion, resampling, clips. No devices, no I/O but WAV files."""
