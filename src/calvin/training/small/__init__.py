"""Small models from nothing: a vision tower, a language model, and the recipe's steps from start to end."""
