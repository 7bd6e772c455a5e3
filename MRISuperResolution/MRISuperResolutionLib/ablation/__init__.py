"""What each choice of the papers is worth: the same short training, one thing varied."""
