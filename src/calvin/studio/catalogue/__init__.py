"""Many films to projects with captions: what is to be described, who works on it, and what became of each film."""
