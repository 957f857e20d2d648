"""ELMo: deep contextualised word vectors (Peters et al. 2018), published checkpoints included."""

from keras_recurrent.elmo import checkpoints
from keras_recurrent.elmo.bilm import BiLM, BiLMOutputs
from keras_recurrent.elmo.characters import CharacterIds, batch_to_ids
from keras_recurrent.elmo.layer import ELMo
from keras_recurrent.elmo.scalar_mix import ScalarMix
from keras_recurrent.elmo.token_encoder import TokenEmbedding, TokenEncoder
from keras_recurrent.elmo.word_table import fixed_vocabulary, with_vocabulary, words_to_ids

__all__ = [
    "BiLM",
    "BiLMOutputs",
    "CharacterIds",
    "ELMo",
    "ScalarMix",
    "TokenEmbedding",
    "TokenEncoder",
    "batch_to_ids",
    "checkpoints",
    "fixed_vocabulary",
    "with_vocabulary",
    "words_to_ids",
]
