"""What tasks may be lent besides devices: each configured below `tools:`, granted by name, bounded and counted."""
