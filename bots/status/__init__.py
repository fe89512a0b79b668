"""`lorekeeper status`: what runs, how it does, and what it is doing."""
