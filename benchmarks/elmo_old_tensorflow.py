"""TensorFlow as simple-elmo and bilm expect it. Import this before them."""

import os
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow

VERSION = tensorflow.__version__
tf = sys.modules["tensorflow"] = tensorflow.compat.v1
