"""ELMo: deep contextualised word vectors (Peters et al. 2018), published checkpoints included."""

from keras_recurrent.elmo import checkpoints
from keras_recurrent.elmo.adagrad import Adagrad
from keras_recurrent.elmo.bilm import BiLM, BiLMOutputs
from keras_recurrent.elmo.characters import CharacterIds, batch_to_ids
from keras_recurrent.elmo.corpus import Corpus
from keras_recurrent.elmo.embedding import embed
from keras_recurrent.elmo.embedding_file import write_embeddings
from keras_recurrent.elmo.language_model import LanguageModel
from keras_recurrent.elmo.layer import ELMo
from keras_recurrent.elmo.scalar_mix import ScalarMix
from keras_recurrent.elmo.softmax import Softmax
from keras_recurrent.elmo.token_encoder import TokenEmbedding, TokenEncoder
from keras_recurrent.elmo.vocabulary import Vocabulary
from keras_recurrent.elmo.word_table import fixed_vocabulary, with_vocabulary, words_to_ids

__all__ = [
    "Adagrad",
    "BiLM",
    "BiLMOutputs",
    "CharacterIds",
    "Corpus",
    "ELMo",
    "LanguageModel",
    "ScalarMix",
    "Softmax",
    "TokenEmbedding",
    "TokenEncoder",
    "Vocabulary",
    "batch_to_ids",
    "checkpoints",
    "embed",
    "fixed_vocabulary",
    "with_vocabulary",
    "words_to_ids",
    "write_embeddings",
]
