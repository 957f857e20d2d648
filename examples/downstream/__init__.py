"""Small models with and without ELMo on labelled data: what the pre-trained layers are good for."""
