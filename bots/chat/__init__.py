"""What all chat platforms share, and nothing of a single one."""
