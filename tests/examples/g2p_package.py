"""The decoder of the package g2p-en as it is, in a process of its own: words in, phonemes out.

    python g2p_package.py FOLDER < words.json

FOLDER holds g2p.py and checkpoint20.npz. What the module imports for whole texts (taggers and
dictionaries) is replaced by nothing: only its network is asked.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

folder = Path(sys.argv[1])
for name in ("nltk", "nltk.corpus", "nltk.tokenize", "published", "published.expand"):
    sys.modules[name] = MagicMock()
sys.modules["published"] = types.ModuleType("published")
spec = importlib.util.spec_from_file_location("published.g2p", folder / "g2p.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.construct_homograph_dictionary = dict
network = module.G2p()


def last_state(word):
    letters = network.encode(word)
    weights = (network.enc_w_ih, network.enc_w_hh, network.enc_b_ih, network.enc_b_hh)
    return network.gru(letters, len(word) + 1, *weights)[0, -1]


words = json.load(sys.stdin)
states = np.stack([last_state(word) for word in words])
np.save(folder / "states.npy", states)
json.dump([network.predict(word) for word in words], sys.stdout)
