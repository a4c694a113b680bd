"""Writes ggml-dequantize.json: float32 results of gguf-py's numpy dequantizers on random blocks.

    pip install gguf && python ggml-dequantize.py > ggml-dequantize.json

Blocks: mulberry32(seed) bytes, then the clearing of exponent bits described at `randomBlocks` in ../ggml-oracle.ts.
"""

import hashlib
import json

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

HALVES = {"F16": [0], "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
BLOCKS = {"F32": 512, "F16": 4096, "BF16": 4096}


def mulberry32(seed):
    mask = 0xFFFFFFFF
    while True:
        seed = (seed + 0x6D2B79F5) & mask
        t = ((seed ^ (seed >> 15)) * (1 | seed)) & mask
        t ^= (t + (((t ^ (t >> 7)) * (61 | t)) & mask)) & mask
        yield ((t ^ (t >> 14)) & mask) / 2**32


def random_blocks(name, block_bytes, count, seed):
    random = mulberry32(seed)
    data = np.array([int(next(random) * 256) for _ in range(count * block_bytes)], dtype=np.uint8).reshape(count, block_bytes)
    for half in HALVES.get(name, []):
        data[:, half + 1] &= 0xBF
    if name == "MXFP4":
        data[:, 0] &= 0x9F
    if name in ("F32", "BF16"):
        data[:, -1] &= 0xBF
    return data


vectors = []
for seed, name in enumerate(["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS", "MXFP4"], start=1):
    qtype = GGMLQuantizationType[name]
    elements, block_bytes = GGML_QUANT_SIZES[qtype]
    count = BLOCKS.get(name, 64)
    data = random_blocks(name, block_bytes, count, seed)
    values = gguf.quants.dequantize(data.reshape(1, -1) if name not in ("F32", "F16") else data.reshape(-1).view({"F32": np.float32, "F16": np.float16}[name]), qtype)
    values = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
    assert np.isfinite(values).all() and len(values) == count * elements
    vectors.append({"type": name, "seed": seed, "blocks": count, "first": values[:4].tobytes().hex(), "sha256": hashlib.sha256(values.tobytes()).hexdigest()})
print(json.dumps({"source": "gguf-py 0.19.0, quants.dequantize", "vectors": vectors}, indent=2))
