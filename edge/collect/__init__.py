"""`edge collect`: a small upstream receiver, and the reference for writing one's own."""
