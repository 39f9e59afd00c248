"""Shapes are executed here: every annotated tensor function of the package is checked while it is tested."""

import os
import zlib
from pathlib import Path

import jaxtyping
import pytest
from jaxtyping import install_import_hook

pytest.register_assert_rewrite("support")
from support import shape_check  # noqa: E402

# before anything of the package is imported
jaxtyping.jaxtyped = shape_check.with_shapes
install_import_hook(["seq2seq_lab", "benchmark"], f"{shape_check.__name__}.checked")

import torch  # noqa: E402

from support import composition_memo  # noqa: E402

for name in [name for name in os.environ if name.startswith("WANDB")]:
    del os.environ[name]
os.environ["NETRC"] = os.devnull  # the key of `wandb login`: no test goes online
torch.set_num_threads(1)
composition_memo.install()


@pytest.fixture(autouse=True, scope="session")
def _shared_runs(tmp_path_factory):
    """Name the folder in which all workers of this session keep the runs that tests share."""
    folder = tmp_path_factory.getbasetemp()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    os.environ["SEQ2SEQ_LAB_SHARED_RUNS"] = str(folder.parent if is_worker else folder)
    os.environ["HF_HOME"] = str(folder / "hugging_face")


@pytest.fixture(autouse=True)
def _same_random_numbers():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _shapes(request, monkeypatch):
    """Execute the shapes in one of four members of a battery over models: the same for all would double the time."""
    battery = getattr(request.node, "callspec", None)
    if battery and "choice" in battery.params and zlib.crc32(battery.id.encode()) % 4:
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def onednn() -> None:
    """For tests of what oneDNN computes."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this build of torch has no oneDNN")


@pytest.fixture
def data_folder() -> Path:
    """The folder with real corpora; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SEQ2SEQ_LAB_DATA", default))
    if not folder.is_dir():
        pytest.skip(
            f"no corpora at {folder}; set SEQ2SEQ_LAB_DATA to a folder with multi30k/ and others"
        )
    return folder
