"""Sample prompts written for Ridgeway, for the demo and the tests."""
