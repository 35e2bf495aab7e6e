"""How fast is it? Each module is a command: ``python -m benchmarks.emulator``."""
