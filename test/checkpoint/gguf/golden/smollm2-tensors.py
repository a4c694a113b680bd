"""Writes smollm2-tensors.json: hashes of SmolLM2 tensors as gguf-py reads them, in Hugging Face row order.

    pip install gguf && python smollm2-tensors.py SmolLM2-135M-Instruct.Q4_1.gguf > smollm2-tensors.json
"""

import hashlib
import json
import sys

import gguf
import numpy as np

HEADS = {"attn_q": 9, "attn_k": 3}
NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "blk.0.attn_q.weight": "model.layers.0.self_attn.q_proj.weight",
    "blk.29.attn_k.weight": "model.layers.29.self_attn.k_proj.weight",
    "blk.7.attn_v.weight": "model.layers.7.self_attn.v_proj.weight",
    "blk.11.ffn_down.weight": "model.layers.11.mlp.down_proj.weight",
}

tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(sys.argv[1]).tensors}
hashes = {}
for name, hugging_face in NAMES.items():
    values = np.ascontiguousarray(gguf.quants.dequantize(tensors[name].data, tensors[name].tensor_type), dtype=np.float32)
    heads = next((count for part, count in HEADS.items() if part in name), None)
    if heads is not None:
        rows = len(values)
        values = np.ascontiguousarray(values.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(rows, -1))
    hashes[hugging_face] = hashlib.sha256(values.tobytes()).hexdigest()
print(json.dumps({"source": "gguf-py 0.19.0", "sha256": hashes}, indent=2))
