"""What Ridgeway is measured against: routers that see all prompts in one place, and chance."""
