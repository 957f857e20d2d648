"""Models by the lengths of their inputs and outputs, and how to decode what they generate."""

from keras_recurrent.applications.cross_attention import CrossAttention
from keras_recurrent.applications.decoder import Decoded, Decoder
from keras_recurrent.applications.fixed_lengths import many_to_many, many_to_one, one_to_one
from keras_recurrent.applications.one_to_many import one_to_many
from keras_recurrent.applications.parts import Parts, parts_of
from keras_recurrent.applications.pooling import MaskedPooling
from keras_recurrent.applications.scheduled_sampling import SamplingRate, ScheduledSampling
from keras_recurrent.applications.sequence_to_sequence import sequence_to_sequence
from keras_recurrent.applications.teacher_forcing import teacher_forcing

__all__ = [
    "CrossAttention",
    "Decoded",
    "Decoder",
    "MaskedPooling",
    "Parts",
    "SamplingRate",
    "ScheduledSampling",
    "many_to_many",
    "many_to_one",
    "one_to_many",
    "one_to_one",
    "parts_of",
    "sequence_to_sequence",
    "teacher_forcing",
]
