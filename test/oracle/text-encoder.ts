/**
 * States of a Gemma 3 text encoder in double precision, from transformers' description of it
 * (`modeling_gemma3.py`): every token sees all others, in layers with a window those less than its size away.
 */
import type { ModelConfig } from "../../src/architecture/model-config.ts";

/** Rows of a matrix or the elements of a norm, as a folder stores them: norms less 1. */
export type ReadTensor = (name: string) => Promise<Float32Array>;

/** @returns f64[S, E], after the final norm */
export async function encoderStates(config: ModelConfig, read: ReadTensor, ids: readonly number[]): Promise<Float64Array[]> {
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, rmsNormEps: eps } = config;
  const embedding = await read("model.embed_tokens.weight");
  let x = ids.map((id) => Float64Array.from(embedding.subarray(id * E, (id + 1) * E), (value) => value * Math.sqrt(E)));
  const norm = (row: Float64Array, weight: Float32Array) => {
    const root = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / row.length + eps);
    return row.map((value, i) => (value / root) * (1 + weight[i]!));
  };
  for (let layer = 0; layer < config.layers; layer++) {
    const tensor = (name: string) => read(`model.layers.${layer}.${name}.weight`);
    const linear = async (rows: readonly Float64Array[], name: string) => {
      const weight = await tensor(name);
      const K = rows[0]!.length;
      return rows.map((row) =>
        Float64Array.from({ length: weight.length / K }, (_, n) =>
          row.reduce((sum, value, k) => sum + value * weight[n * K + k]!, 0),
        ),
      );
    };
    const window = config.attentionWindows[layer]!;
    const { ropeTheta } = window > 0 ? config.windowRope! : config;
    /** Heads of a row, each normalized and turned where it has a norm. */
    const heads = (rows: readonly Float64Array[], count: number, weight?: Float32Array) =>
      rows.map((row, position) =>
        Array.from({ length: count }, (_, h) => {
          const head = row.slice(h * D, (h + 1) * D);
          return weight ? turned(norm(head, weight), position, ropeTheta) : head;
        }),
      );
    const inputNorm = await tensor("input_layernorm");
    const h = x.map((row) => norm(row, inputNorm));
    const q = heads(await linear(h, "self_attn.q_proj"), H, await tensor("self_attn.q_norm"));
    const k = heads(await linear(h, "self_attn.k_proj"), Hkv, await tensor("self_attn.k_norm"));
    const v = heads(await linear(h, "self_attn.v_proj"), Hkv);
    const attended = q.map((row, i) => {
      const out = new Float64Array(H * D);
      for (const [head, query] of row.entries()) {
        const group = Math.floor((head * Hkv) / H);
        const weights = k.map((keys, j) => {
          if (window > 0 && Math.abs(i - j) >= window) return 0;
          return Math.exp(query.reduce((sum, value, d) => sum + value * keys[group]![d]!, 0) / config.scoreDivisor!);
        });
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (const [j, weight] of weights.entries()) {
          for (let d = 0; d < D; d++) out[head * D + d]! += (weight / total) * v[j]![group]![d]!;
        }
      }
      return out;
    });
    const attentionNorm = await tensor("post_attention_layernorm");
    const attention = await linear(attended, "self_attn.o_proj");
    x = x.map((row, i) => added(row, norm(attention[i]!, attentionNorm)));

    const mlpNorm = await tensor("pre_feedforward_layernorm");
    const m = x.map((row) => norm(row, mlpNorm));
    const [gate, up] = [await linear(m, "mlp.gate_proj"), await linear(m, "mlp.up_proj")];
    const activated = gate.map((row, i) => row.map((value, f) => geluTanh(value) * up[i]![f]!));
    const outputNorm = await tensor("post_feedforward_layernorm");
    const mlp = await linear(activated, "mlp.down_proj");
    x = x.map((row, i) => added(row, norm(mlp[i]!, outputNorm)));
  }
  const finalNorm = await read("model.norm.weight");
  return x.map((row) => norm(row, finalNorm));
}

const added = (a: Float64Array, b: Float64Array) => a.map((value, i) => value + b[i]!);
const geluTanh = (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** Channels i and i + D/2 turn by position * theta^(-2i/D). */
function turned(head: Float64Array, position: number, theta: number): Float64Array {
  const half = head.length / 2;
  return head.map((value, d) => {
    const angle = position * theta ** (-(2 * (d % half)) / head.length);
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    return d < half ? value * cos - head[d + half]! * sin : value * cos + head[d - half]! * sin;
  });
}
