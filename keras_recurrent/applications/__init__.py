"""Models by the lengths of their inputs and outputs, and how to decode what they generate."""

from keras_recurrent.applications.fixed_lengths import many_to_many, many_to_one, one_to_one

__all__ = ["many_to_many", "many_to_one", "one_to_one"]
