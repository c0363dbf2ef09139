from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from calvin.core.errors import CalvinError, CheckpointError, ConfigError
from calvin.training.loop.checkpoints import latest_checkpoint
from calvin.training.loop.log import read_log
from calvin.training.loop.train import make_optimizer, train
from calvin.training.steps import LoopConfig


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The same order of sums here and in the processes that are killed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.2), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 1))


def batch_at(index: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(index)
    x = torch.randn(8, 6, generator=generator)
    return {"x": x, "y": x.sum(1, keepdim=True)}


def loss_of(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return nn.functional.mse_loss(model(batch["x"]), batch["y"])


def config(**changes: object) -> LoopConfig:
    values = {"steps": 40, "max_lr": 1e-2, "precision": "fp32", "checkpoint_every": 10, "log_every": 1, **changes}
    return LoopConfig.load(values)


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_log(folder / "log.jsonl")]


class Killed(Exception):
    pass


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("stop_at", [1, 10, 27, 39])
def test_a_stopped_run_resumes_with_the_same_losses_bit_for_bit(
    tmp_path: Path, stop_at: int, accumulation: int
) -> None:
    settings = config(gradient_accumulation_steps=accumulation)
    straight = make_model()
    train(straight, batch_at, settings, tmp_path / "straight", loss_of=loss_of)

    def stopping(index: int) -> dict[str, torch.Tensor]:
        if index == stop_at:
            raise Killed
        return batch_at(index)

    with pytest.raises(Killed):
        train(make_model(), stopping, settings, tmp_path / "stopped", loss_of=loss_of)
    resumed = make_model()
    train(resumed, batch_at, settings, tmp_path / "stopped", loss_of=loss_of)
    assert losses(tmp_path / "stopped") == losses(tmp_path / "straight")
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_weights_in_another_order_in_memory_go_on_with_their_own_moments(tmp_path: Path) -> None:
    def model() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def images(index: int) -> dict[str, torch.Tensor]:
        pixels = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(index))
        return {"x": pixels.contiguous(memory_format=torch.channels_last)}

    def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return model(batch["x"]).square().mean()

    def stopping(index: int) -> dict[str, torch.Tensor]:
        if index == 12:
            raise Killed
        return images(index)

    straight, resumed = model(), model()
    train(straight, images, config(steps=20), tmp_path / "straight", loss_of=loss)
    with pytest.raises(Killed):
        train(model(), stopping, config(steps=20), tmp_path / "stopped", loss_of=loss)
    train(resumed, images, config(steps=20), tmp_path / "stopped", loss_of=loss)
    assert losses(tmp_path / "stopped") == losses(tmp_path / "straight")
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_kill_9_at_any_moment_and_resume(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from {Path(__file__).stem} import *
        def slow(index):
            time.sleep(0.02)
            return batch_at(index)
        train(make_model(), slow, config(checkpoint_every=3), Path({str(tmp_path / "killed")!r}), loss_of=loss_of)
        print("finished")
    """)
    kills = 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for wait in (0.15, 0.3, 0.2, 60.0):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
        deadline = time.monotonic() + 60
        while not (tmp_path / "killed" / "log.jsonl").exists() and time.monotonic() < deadline:
            assert process.poll() is None, "the process ended before its first step"
            time.sleep(0.01)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert process.returncode == 0
    assert kills >= 1
    train(make_model(), batch_at, config(checkpoint_every=3), tmp_path / "straight", loss_of=loss_of)
    assert losses(tmp_path / "killed") == losses(tmp_path / "straight")


def test_the_loss_falls_and_is_drawn(tmp_path: Path) -> None:
    train(make_model(), batch_at, config(steps=200), tmp_path, loss_of=loss_of)
    rows = losses(tmp_path)
    assert sum(rows[-20:]) < 0.5 * sum(rows[:20])
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = make_model()
    train(first, batch_at, config(), tmp_path, loss_of=loss_of)

    def never(index: int) -> dict[str, torch.Tensor]:
        raise AssertionError(index)

    again = make_model()
    result = train(again, never, config(), tmp_path, loss_of=loss_of)
    assert result.steps == 40
    assert torch.equal(first[0].weight, again[0].weight)


def test_gate_ends_early(tmp_path: Path) -> None:
    result = train(
        make_model(), batch_at, config(), tmp_path, loss_of=loss_of, gate=lambda _, step: step >= 20, gate_every=5
    )
    assert result.steps == 20


def test_accumulation_equals_the_larger_batch(tmp_path: Path) -> None:
    def plain() -> nn.Module:
        torch.manual_seed(0)
        return nn.Linear(6, 1)

    def double(index: int) -> dict[str, torch.Tensor]:
        pair = [batch_at(2 * index), batch_at(2 * index + 1)]
        return {key: torch.cat([part[key] for part in pair]) for key in ("x", "y")}

    small, large = plain(), plain()
    settings = {"schedule": "constant", "max_grad_norm": None}
    train(small, batch_at, config(gradient_accumulation_steps=2, **settings), tmp_path / "a", loss_of=loss_of)
    train(large, double, config(steps=20, **settings), tmp_path / "b", loss_of=loss_of)
    # Same sums in another order: float32 rounding over 20 updates.
    torch.testing.assert_close(small.weight, large.weight, rtol=1e-4, atol=1e-6)


def test_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    train(make_model(), batch_at, config(), tmp_path, loss_of=loss_of)
    with pytest.raises(CheckpointError, match="other settings"):
        train(make_model(), batch_at, config(max_lr=2e-2), tmp_path, loss_of=loss_of)


@pytest.mark.parametrize("damaged", ["weights.safetensors", "optimizer.safetensors", "state.json"])
def test_damaged_checkpoint_is_one_clear_sentence(tmp_path: Path, damaged: str) -> None:
    train(make_model(), batch_at, config(), tmp_path, loss_of=loss_of)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    (found / damaged).write_bytes((found / damaged).read_bytes()[:20])
    with pytest.raises(CheckpointError, match="damaged"):
        train(make_model(), batch_at, config(), tmp_path, loss_of=loss_of)


def test_disk_full_keeps_the_last_whole_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calvin.training.loop import checkpoints

    real, calls = checkpoints.save_file, []

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        calls.append(path)
        if len(calls) == 4:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(CheckpointError, match="free some space"):
        train(make_model(), batch_at, config(), tmp_path, loss_of=loss_of)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert json.loads((found / "state.json").read_text())["step"] == 10
    assert load_file(found / "weights.safetensors")
    monkeypatch.setattr(checkpoints, "save_file", real)
    train(make_model(), batch_at, config(), tmp_path, loss_of=loss_of)
    assert len(losses(tmp_path)) == 40


def test_loss_that_is_not_a_number_stops(tmp_path: Path) -> None:
    def broken(index: int) -> dict[str, torch.Tensor]:
        return {key: value * float("nan") for key, value in batch_at(index).items()}

    with pytest.raises(CalvinError, match="loss of step 0"):
        train(make_model(), broken, config(), tmp_path, loss_of=loss_of)


def test_a_part_may_learn_slower_than_the_rest(tmp_path: Path) -> None:
    still, other = make_model(), make_model()
    train(still, batch_at, config(rates={"0.": 0.0}, weight_decay=0.0), tmp_path / "still", loss_of=loss_of)
    assert torch.equal(still[0].weight, other[0].weight)
    assert not torch.equal(still[4].weight, other[4].weight)
    groups = make_optimizer(other, config(rates={"0.": 0.1})).param_groups
    rates = {id(value): group["lr"] for group in groups for value in group["params"]}
    assert rates[id(other[0].bias)] == pytest.approx(1e-3)
    assert rates[id(other[4].weight)] == pytest.approx(1e-2)


def test_nothing_to_train(tmp_path: Path) -> None:
    with pytest.raises(CalvinError, match="Nothing"):
        train(make_model().requires_grad_(False), batch_at, config(), tmp_path, loss_of=loss_of)


def test_schedule_follows_the_paper() -> None:
    # Stage 1 of section 4: warm-up of 2,500, 1e-4 down to 1e-6.
    settings = config(steps=400_000, max_lr=1e-4, min_lr=1e-6, warmup_steps=2_500)
    assert settings.lr_at(0) == pytest.approx(1e-4 / 2500)
    assert settings.lr_at(2_499) == pytest.approx(1e-4)
    assert settings.lr_at(399_999) == pytest.approx(1e-6)
    assert settings.lr_at(201_250) == pytest.approx((1e-4 + 1e-6) / 2, rel=1e-3)
    assert config(schedule="constant").lr_at(39) == 1e-2


def test_contradicting_settings() -> None:
    with pytest.raises(ConfigError, match="min_lr"):
        config(min_lr=1.0)
    with pytest.raises(ConfigError, match="warm-up"):
        config(warmup_steps=50)
