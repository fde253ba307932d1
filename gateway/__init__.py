"""The router behind OpenAI's API: existing clients name a model, or `auto`, and reach the expert that knows."""
