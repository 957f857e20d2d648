import pytest
from engines.cudnn_model import Operation

from keras_recurrent.engines import cudnn


@pytest.fixture
def gpu(monkeypatch):
    """Layers that are made now believe in a GPU."""
    monkeypatch.setattr(cudnn, "visible_gpus", lambda: 1)


@pytest.fixture
def cudnn_model(gpu, monkeypatch):
    """The cuDNN engine runs on the NumPy model of its operation."""
    operation = Operation()
    monkeypatch.setattr(cudnn, "operation", operation)
    return operation
