"""Every named crash point on real servers: the process ends there, and nothing is lost."""
