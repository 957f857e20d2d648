"""A file as C++ source: what the compiler makes of it are the file's bytes, sizes and names."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from keras_recurrent import export
from keras_recurrent.export import metadata, resolver

COMPILER = shutil.which("g++")
# Prints what the header says and what the array holds, without any header of TFLM.
PROGRAM = """
#include <cstdio>
#include "gate.h"
struct Resolver {
  int calls = 0;
  int AddFullyConnected() { ++calls; return 0; }
  int AddTanh() { ++calls; return status; }
  int status = 0;
};
int main() {
  Resolver resolver;
  bool all = gate::RegisterOps(resolver);
  resolver.status = 1;
  bool some = gate::RegisterOps(resolver);
  std::printf("%d %d %d %zu %zu %d %d\\n", all, some, resolver.calls, gate::kOps + std::size_t(0),
              gate::kArenaBytes, gate::kInput_x, gate::kOutput_y);
  std::printf("%d\\n", int(reinterpret_cast<std::uintptr_t>(gate::kModel) % 16));
  std::fwrite(gate::kModel, 1, gate::kModelBytes, stderr);
}
"""


def converted(function, *shapes, optimise=False, names=("x", "state_h")) -> bytes:
    specs = [tf.TensorSpec(shape, name=name) for shape, name in zip(shapes, names, strict=False)]
    module = tf.Module()
    module.call = tf.function(function, input_signature=specs)
    concrete = module.call.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    if optimise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: [[np.ones(s, "float32") for s in shapes]]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "gate.tflite"
    kernel = tf.constant(np.random.default_rng(0).normal(size=(4, 3)), tf.float32)
    path.write_bytes(converted(lambda x: {"y": tf.tanh(x @ kernel)}, (1, 4)))
    return path


@pytest.mark.skipif(COMPILER is None, reason="there is no g++ here")
def test_a_compiler_reads_the_same_bytes(path, tmp_path):
    metadata.embed(path, '{"arena_bytes": 2048}')
    header = export.to_c_array(path)
    assert header == tmp_path / "gate.h"
    (tmp_path / "main.cc").write_text(PROGRAM)
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-O0"]
    subprocess.run([COMPILER, *flags, "main.cc", "gate.cc", "-o", "main"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, check=True)
    assert done.stderr == path.read_bytes()
    assert done.stdout.split() == b"1 0 4 2 2048 0 0 0".split()


def test_quantised_inputs_and_outputs(tmp_path):
    path = tmp_path / "gate.tflite"
    path.write_bytes(
        converted(
            lambda x, state_h: {"y": tf.tanh(x), "state_h": tf.tanh(x + state_h)},
            (1, 4),
            (1, 4),
            optimise=True,
        )
    )
    text = export.to_c_array(path, name="quantised").read_text()
    report = export.inspect(path)
    for kind, tensors in (("Input", report.inputs), ("Output", report.outputs)):
        for place, tensor in enumerate(tensors):
            name = f"k{kind}_{tensor.name}"
            assert f"constexpr int {name} = {place};" in text
            scale = re.search(rf"float {name}_scale = (\S+)f;", text)[1]
            assert np.float32(scale) == np.float32(tensor.scale)
            assert f"int {name}_zero_point = {tensor.zero_point};" in text
    assert "copy the outputs state_... into the inputs" in text
    assert "was not measured" in text
    assert "kArenaBytes" not in text


def test_names_and_places(path, tmp_path):
    folder = tmp_path / "firmware"
    with pytest.raises(FileNotFoundError, match="firmware"):
        export.to_c_array(path, folder)
    folder.mkdir()
    odd = path.rename(tmp_path / "1st try-out.tflite")
    assert export.to_c_array(odd, folder) == folder / "model_1st_try_out.h"
    assert export.to_c_array(odd, folder, "b").with_suffix(".cc").is_file()
    assert sorted(p.name for p in folder.iterdir()) == [
        *("b.cc", "b.h", "model_1st_try_out.cc", "model_1st_try_out.h")
    ]
    for name in ("a-b", "class", "2", "", "__x", 3):
        with pytest.raises(ValueError, match="identifier"):
            export.to_c_array(odd, name=name)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        export.to_c_array(tmp_path / "nowhere.tflite")


def test_a_line_break_in_a_name_stays_in_its_comment():
    tensor = export.Tensor("a\nint evil; \\", (1,), "float32")
    from keras_recurrent.export.c_array import _tensors

    assert _tensors("Input", (tensor, tensor)) == [
        "constexpr int kInput_a_int_evil = 0;  // a?int evil; ? float32 (1)",
        "constexpr int kInput_a_int_evil_1 = 1;  // a?int evil; ? float32 (1)",
    ]


def test_what_tflm_cannot_run_is_refused(tmp_path):
    path = tmp_path / "m.tflite"
    loop = converted(
        lambda x: {"y": tf.while_loop(lambda v: tf.reduce_sum(v) < 9.0, lambda v: [v + x], [x])[0]},
        (1, 4),
    )
    for content, message in [
        (loop, "loops over time"),
        (converted(lambda x: {"y": tf.tile(x, [1, 2])}, (1, 4)), "no kernel for TILE"),
        (converted(lambda x: {"y": tf.tanh(x)}, (None, 4)), "sizes fixed.*x float32"),
        (loop[:1000], "damaged or cut short"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            export.to_c_array(path)
    assert [p.name for p in tmp_path.iterdir()] == ["m.tflite"]


def test_names_of_the_resolvers_methods():
    methods = resolver.METHODS
    for operation, method in {
        "STRIDED_SLICE": "AddStridedSlice",
        "REVERSE_V2": "AddReverseV2",
        "RELU6": "AddRelu6",
        "L2_NORMALIZATION": "AddL2Normalization",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
        "CONV_2D": "AddConv2D",
        "VAR_HANDLE": "AddVarHandle",
    }.items():
        assert methods[operation] == method
