"""Float64 on a device that has none: Apple's MPS. What needs it there is computed on the CPU, with the same result."""

import torch
from torch import Tensor

WITHOUT = {"mps"}
"""The types of the devices that raise TypeError for a float64 tensor."""
CPU = torch.device("cpu")


def home(device: torch.device) -> torch.device:
    """Return where float64 numbers of this device are computed: there, or on the CPU if it has no float64."""
    return CPU if device.type in WITHOUT else device


def in_float64(tensor: Tensor) -> Tensor:
    """Return the tensor's values in float64, at the home of its device."""
    return tensor.to(home(tensor.device)).double()
