"""The example of ELMo for devices, with a tiny model."""

from examples import elmo_edge


def test_from_text_to_files(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("One word more , said the counter-revolutionary\n\nAnother one\n", "utf-8")
    assert elmo_edge.main([str(text), "--quick", "--timesteps", "4", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for name in ("SavedModel, text in", "24 characters, dynamic", "table of 6 words, dynamic"):
        assert name in printed
    assert len(list(tmp_path.glob("*.tflite"))) == 2
