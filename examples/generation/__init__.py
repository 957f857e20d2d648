"""Parts of the examples that generate: sequences as ids, their batches, their likelihood."""
