"""What is wrong with an instance, in sentences: facts are gathered, rules judge them."""
