/** Weights of a model in linear memory: addresses only, fixed once loaded. */
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { Linear } from "./linear.ts";

/** One transformer block. */
export interface LayerWeights {
  readonly attentionNorm: Pointer; // f32[E]
  readonly qkv: Linear; // [(H + 2 Hkv) * D, E]: rows of q, then k, then v
  readonly qNorm: Pointer; // f32[D], or 0 for none
  readonly kNorm: Pointer; // f32[D], or 0 for none
  readonly o: Linear; // [E, H * D]
  readonly ffnNorm: Pointer; // f32[E]
  readonly gateUp: Linear; // [2 F, E]: rows of gate, then up
  readonly down: Linear; // [E, F]
}

/** The embedding matrix [V, E], packed by channels of which each is a token's row. */
export interface EmbeddingTable {
  readonly kind: "f32w" | "qc8w";
  readonly table: Pointer;
}

export interface ModelWeights {
  readonly embedding: EmbeddingTable;
  readonly layers: readonly LayerWeights[]; // L of them
  readonly finalNorm: Pointer; // f32[E]
  /** [V, E]; shares the embedding's bytes if the two are tied and have one precision. */
  readonly head: Linear;
}
