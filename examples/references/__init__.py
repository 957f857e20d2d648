"""Published weights in our layers, read from the packages that carry them."""
