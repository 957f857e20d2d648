"""Export of Keras models with recurrent layers; installed as `keras_recurrent.export`."""
