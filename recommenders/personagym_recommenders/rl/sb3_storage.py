"""Policies of Stable-Baselines3 as JSON and arrays. Its own zip files hold pickles, which run code when they are read.

A policy is its class, the arguments of its constructor and its weights. Classes are looked up among the known ones
below and nowhere else, so a file cannot name code to run.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

from personagym_recommenders.rl.sb3_features import SessionFeatures

try:
    from stable_baselines3.common import policies, torch_layers
    from stable_baselines3.dqn import policies as dqn
    from stable_baselines3.sac import policies as sac
    from stable_baselines3.td3 import policies as td3
except ImportError as error:
    raise ImportError("policies need Stable-Baselines3: pip install 'personagym[rl]'") from error

Arrays = dict[str, npt.NDArray[Any]]

_SCHEDULE = "lr_schedule"
_WEIGHT = "weight/"
_KNOWN_CLASSES: tuple[type[Any], ...] = (
    policies.ActorCriticPolicy,
    policies.MultiInputActorCriticPolicy,
    dqn.MultiInputPolicy,
    sac.MultiInputPolicy,
    td3.MultiInputPolicy,
    SessionFeatures,
    torch_layers.CombinedExtractor,
    torch_layers.FlattenExtractor,
    torch.nn.ReLU,
    torch.nn.Tanh,
    torch.nn.ELU,
    torch.nn.LeakyReLU,
    torch.nn.SiLU,
    torch.nn.GELU,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.RMSprop,
    torch.optim.SGD,
)


def _class_name(one: type[Any]) -> str:
    return f"{one.__module__}.{one.__qualname__}"


_KNOWN = {_class_name(one): one for one in _KNOWN_CLASSES}


def describe_policy(policy: policies.BasePolicy) -> tuple[dict[str, Any], Arrays]:
    """A policy as what fits into JSON and arrays by name.

    Raises:
        TypeError: its class, or an argument of its constructor, is not among those that can be saved.
    """
    arrays: Arrays = {_WEIGHT + name: tensor.cpu().numpy() for name, tensor in policy.state_dict().items()}
    arguments = {name: value for name, value in policy._get_constructor_parameters().items() if name != _SCHEDULE}
    plain = {name: _encode(value, name, arrays) for name, value in arguments.items()}
    return {"class": _encode(type(policy), "class", arrays), "arguments": plain}, arrays


def build_policy(description: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> policies.BasePolicy:
    """The policy that `describe_policy` took apart, on the CPU.

    Raises:
        ValueError: the description or the weights are not those of a policy.
    """
    try:
        arguments = {name: _decode(value, arrays) for name, value in description["arguments"].items()}
        # The schedule of the learning rate is no part of a policy that only answers, but constructors ask for one.
        policy = _decode(description["class"], arrays)(**arguments, lr_schedule=lambda _: 0.0)
        weights = {
            name.removeprefix(_WEIGHT): torch.from_numpy(np.array(array))
            for name, array in arrays.items()
            if name.startswith(_WEIGHT)
        }
        policy.load_state_dict(weights)
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"the saved policy cannot be built: {error}") from error
    assert isinstance(policy, policies.BasePolicy)
    return policy


def _encode(value: Any, place: str, arrays: Arrays) -> Any:
    """A value as JSON has it; arrays go into `arrays` under their place."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_encode(one, f"{place}.{i}", arrays) for i, one in enumerate(value)]
    if isinstance(value, np.ndarray) and value.dtype != object:
        arrays[place] = value
        return {"array": place}
    if isinstance(value, type) and _class_name(value) in _KNOWN:
        return {"class": _class_name(value)}
    if isinstance(value, spaces.Dict):
        return {"Dict": {name: _encode(one, f"{place}.{name}", arrays) for name, one in value.spaces.items()}}
    if isinstance(value, Mapping):
        return {"entries": {name: _encode(one, f"{place}.{name}", arrays) for name, one in value.items()}}
    if isinstance(value, spaces.Box):
        arrays[f"{place}.low"], arrays[f"{place}.high"] = value.low, value.high
        return {"Box": place, "dtype": np.dtype(value.dtype).name}
    if isinstance(value, spaces.Discrete):
        return {"Discrete": int(value.n), "start": int(value.start)}
    if isinstance(value, spaces.MultiDiscrete):
        arrays[place] = value.nvec
        return {"MultiDiscrete": place}
    raise TypeError(f"cannot save {place} of the policy: {value!r} is none of the kinds that are known")


def _decode(value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """What `_encode` encoded."""
    match value:
        case list():
            return [_decode(one, arrays) for one in value]
        case {"entries": entries}:
            return {name: _decode(one, arrays) for name, one in entries.items()}
        case {"array": place}:
            return arrays[place]
        case {"class": name}:
            return _KNOWN[name]
        case {"Dict": parts}:
            return spaces.Dict({name: _decode(one, arrays) for name, one in parts.items()})
        case {"Box": place, "dtype": dtype}:
            return spaces.Box(arrays[f"{place}.low"], arrays[f"{place}.high"], dtype=np.dtype(dtype).type)
        case {"Discrete": n, "start": start}:
            return spaces.Discrete(n, start=start)
        case {"MultiDiscrete": place}:
            return spaces.MultiDiscrete(arrays[place])
    return value
