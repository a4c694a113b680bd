"""Rotary frequencies and attention factors: the formulas of the papers in double precision, checked against
transformers where it and torch are installed.

    python rope-frequencies.py > rope-frequencies.json; npx prettier --write rope-frequencies.json
"""
import itertools
import json
import math
import sys

import numpy as np


def default(R, theta):
    return theta ** (-2 * np.arange(R // 2) / R)


def yarn(R, theta, p):
    plain = default(R, theta)
    original, factor = p["original_max_position_embeddings"], p["factor"]
    # The channel at which a frequency turns `turns` times: plain[i] = turns * 2 pi / original, solved for i.
    channel = lambda turns: R / 2 * math.log(original / (2 * math.pi * turns), theta)
    begin, end = channel(p.get("beta_fast", 32)), channel(p.get("beta_slow", 1))
    if p.get("truncate", True):
        begin, end = math.floor(begin), math.ceil(end)
    begin, end = max(begin, 0), min(end, R - 1)
    if begin == end:
        end += 0.001
    slowed = np.clip((np.arange(R // 2) - begin) / (end - begin), 0, 1)
    scale = lambda m: 1 if factor <= 1 else 1 + 0.1 * m * math.log(factor)
    if "attention_factor" in p:
        attention = p["attention_factor"]
    elif p.get("mscale") and p.get("mscale_all_dim"):
        attention = scale(p["mscale"]) / scale(p["mscale_all_dim"])
    else:
        attention = scale(1)
    return plain * (1 - slowed) + plain / factor * slowed, attention


def dynamic(R, theta, p, context, length):
    length = max(length, context)
    growth = p["factor"] * length / context - (p["factor"] - 1)
    return default(R, theta * growth ** (R / (R - 2))), 1.0


def longrope(R, theta, p, context, length):
    original = p["original_max_position_embeddings"]
    factor = p.get("factor", context / original)
    attention = p.get("attention_factor", 1 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original)))
    return default(R, theta) / np.array(p["long_factor" if length > original else "short_factor"]), attention


def formulas(R, theta, p, context, length):
    kind = p["rope_type"]
    if kind == "yarn":
        return yarn(R, theta, p)
    return (dynamic if kind == "dynamic" else longrope)(R, theta, p, context, length)


def check(R, theta, p, context, length, frequencies, attention):
    try:
        import torch  # noqa: F401
        from transformers import LlamaConfig
        from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    except ImportError:
        print("transformers and torch are missing: not checked against them", file=sys.stderr)
        return
    config = LlamaConfig(
        hidden_size=4 * R, num_attention_heads=4, head_dim=R, max_position_embeddings=context,
        rope_parameters={"rope_theta": theta, **p},
    )
    found, factor = ROPE_INIT_FUNCTIONS[p["rope_type"]](config, "cpu", seq_len=length)
    # It computes powers and the ramp in float32.
    np.testing.assert_allclose(found.double().numpy(), frequencies, rtol=3e-5)
    np.testing.assert_allclose(factor, attention, rtol=1e-12)


def cases():
    for R, theta, factor, original in itertools.product([16, 64, 80, 128], [1e4, 1e6], [1, 2.5, 4, 40], [64, 4096, 32768]):
        if (R, theta) in [(16, 1e6), (80, 1e4)]:
            continue
        yield R, theta, {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}, original, original
    base = {"rope_type": "yarn", "factor": 8, "original_max_position_embeddings": 4096}
    for more in [
        {"beta_fast": 20, "beta_slow": 3}, {"truncate": False}, {"attention_factor": 0.75}, {"mscale": 0.7},
        {"mscale": 0.7, "mscale_all_dim": 1.3}, {"mscale": 1, "mscale_all_dim": 1}, {"mscale": 2, "mscale_all_dim": 0},
        {"beta_fast": 1.01, "beta_slow": 1, "truncate": False},
    ]:
        yield 64, 1e4, {**base, **more}, 32768, 4096
    for R, factor, length in itertools.product([4, 16, 128], [1, 2, 8], [1, 2048, 2049, 4096, 16000]):
        yield R, 1e4, {"rope_type": "dynamic", "factor": factor}, 2048, length
    for R, length, more in itertools.product(
        [16, 96], [7, 4096, 4097, 131072], [{}, {"factor": 2}, {"factor": 1}, {"attention_factor": 1.19}]
    ):
        lists = {"short_factor": [1 + i / 64 for i in range(R // 2)], "long_factor": [1.25 + i * i / 8 for i in range(R // 2)]}
        p = {"rope_type": "longrope", "original_max_position_embeddings": 4096, **lists, **more}
        yield R, 1e4, p, 131072, length


golden = []
for R, theta, p, context, length in cases():
    frequencies, attention = formulas(R, theta, p, context, length)
    check(R, theta, p, context, length, frequencies, attention)
    golden.append({
        "rotaryDim": R, "theta": theta, "contextLength": context, "positions": length, "scaling": p,
        # Nine digits tell float32 numbers apart.
        "frequencies": [float(f"{f:.10g}") for f in frequencies], "attention": float(attention),
    })
print(json.dumps(golden, separators=(",", ":")))
