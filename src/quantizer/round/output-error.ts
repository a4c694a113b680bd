/**
 * What errors in weights cost at the output: sum over rows of e H e^T, the mean square over tokens summed
 * over out_features.
 */
import type { Kernels } from "../../kernels/kernels.ts";
import { NULL } from "../../kernels/pointer.ts";
import type { Hessian } from "../calibrate/hessian.ts";
import { type GptqMemory, type GptqRegions, rowsOfBlock } from "./rounding-memory.ts";

/** H as the weights of a float linear layer, in the regions given until the next `load`. */
export class OutputError {
  readonly #kernels: Kernels;
  readonly #regions: GptqRegions;
  readonly #K: number;

  private constructor({ kernels, regions }: GptqMemory, K: number) {
    this.#kernels = kernels;
    this.#regions = regions;
    this.#K = K;
  }

  /** @param hessian of the input as it is: equalization in it is not looked at */
  static load(memory: GptqMemory, { K, tokens, gram }: Pick<Hessian, "K" | "tokens" | "gram">): OutputError {
    const { kernels, regions } = memory;
    const block = Math.min(K, rowsOfBlock(K));
    for (let begin = 0; begin < K; begin += block) {
      const rows = Math.min(block, K - begin);
      const source = kernels.f32(regions.weights, rows * K);
      for (let r = 0; r < rows; r++) {
        const i = begin + r;
        for (let j = 0; j < K; j++) source[r * K + j] = gram[i < j ? i * K + j : j * K + i]! / tokens;
      }
      kernels.run.pack_f32w(regions.weights, regions.matrix, begin, rows, K, K);
    }
    return new OutputError(memory, K);
  }

  /** sum over rows of e H e^T. @param e f32[rows, K] */
  of(e: Float32Array): number {
    const { weights, matrix, products } = this.#regions;
    const K = this.#K;
    const elements = rowsOfBlock(K) * K;
    let sum = 0;
    for (let begin = 0; begin < e.length; begin += elements) {
      const block = e.subarray(begin, begin + elements);
      this.#kernels.f32(weights, block.length).set(block);
      this.#kernels.split("gemm_f32_f32_f32w_4x8c1", K / 8, weights, matrix, NULL, products, block.length / K, K, K);
      const y = this.#kernels.f32(products, block.length);
      for (let i = 0; i < block.length; i++) sum += block[i]! * y[i]!;
    }
    return sum;
  }
}
