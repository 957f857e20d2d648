"""What the smart-watch example is made of: windows, the classifier, subjects, the stream."""
