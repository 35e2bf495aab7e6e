"""The tests: one module for each module of the package, one promise for each test."""
