"""Dynamic-provider resources around a release. The module paths in here are a stored format: see docs/state.md."""
