"""Accelerators with a queue: the CPU gives them work and goes on, and waits only for a number that it reads."""

import torch

WITH_QUEUE = {"cuda"}
"""The types of the devices where reading a number makes the CPU wait until all work given so far is done."""


def has_queue(device: torch.device) -> bool:
    """Return whether a training step should read no number of this device."""
    return device.type in WITH_QUEUE


def wait_for(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    torch.zeros((), device=device).item()
