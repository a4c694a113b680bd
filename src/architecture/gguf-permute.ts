/**
 * Row order of attn_q and attn_k in a GGUF of architecture "llama".
 *
 * The converter interleaves the two halves of each head, because ggml rotates neighbouring pairs where
 * Hugging Face rotates element i with element i + D/2 (llama.cpp `conversion/llama.py`,
 * `LlamaModel.permute`). Per head of D rows, with half 0 or 1:
 *
 *     gguf[2 i + half] = hf[half * D/2 + i]
 *
 * Whole rows move, so quantized rows move without being dequantized.
 */

/** Row of the GGUF tensor that holds a given row of the Hugging Face tensor. */
export function interleavedRow(row: number, headDim: number): number {
  const inHead = row % headDim;
  const half = inHead < headDim / 2 ? 0 : 1;
  return row - inHead + 2 * (inHead - half * (headDim / 2)) + half;
}
