"""What drivers are made of: quantities, checksums, what edges mean, motion, letters; each used by several of them."""
