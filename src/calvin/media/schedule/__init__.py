"""What is said of a film, in which words and when."""
