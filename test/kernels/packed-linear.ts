/** One linear layer over integer activations, its weights packed: the GEMM and the GEMV of any build. */
import { NULL, offsetBy, type Pointer } from "../../src/kernels/pointer.ts";
import type { QuantizedRows } from "../oracle/linear.ts";
import { KernelMemory, type TestedBuild } from "./kernel-memory.ts";
import { putPanels, type QuantizedWeights, type WeightCodes } from "./packed-weights.ts";
import { groupSums } from "./quantized-rows.ts";
import type { Engine } from "./relaxed-engines.ts";

/** What is multiplied: bits of activations and of weights. */
export interface Bits {
  a: 8 | 14;
  w: WeightCodes;
}
/** What kernels call 4-bit weights. */
const BLOCKWISE = { 4: "qb4w", e2m1: "qb4fw" } as const;

/** One matrix in one build's memory, ready for several sets of rows. */
export class PackedLinear {
  readonly kernel: KernelMemory;
  private readonly weights: QuantizedWeights;
  private readonly bits: Bits;
  private readonly w: Pointer;
  private readonly bias: Pointer;

  constructor(build: TestedBuild, weights: QuantizedWeights, bits: Bits, bias?: Float32Array, engine?: Engine) {
    this.weights = weights;
    this.bits = bits;
    this.kernel = new KernelMemory(build, engine);
    this.w = putPanels(this.kernel, weights, bits.w);
    this.bias = bias ? this.kernel.put(bias, 4) : NULL;
  }

  /** y[M, N] of the GEMM, panel range by panel range. */
  gemm(rows: QuantizedRows, ranges: [number, number][] = [[0, Math.ceil(this.weights.N / 8)]]): Float32Array {
    const { M } = rows;
    const { N, K, G } = this.weights;
    const { kernel, w, bias, bits } = this;
    const [q, scales, sums] = [kernel.put(rows.q), kernel.put(rows.scales), kernel.put(groupSums(rows, G))];
    const [y, scratch] = [kernel.region(4 * M * N), kernel.region(kernel.run.linear_scratch_bytes(M, K))];
    for (const [begin, end] of ranges) {
      if (bits.w !== 8)
        kernel.run[`gemm_qd8_f32_${BLOCKWISE[bits.w]}_x8c4`](q, scales, sums, w, bias, y, M, N, K, G, begin, end, scratch);
      else kernel.run[`gemm_qd${bits.a}_f32_qc8w_x8c4`](q, scales, w, bias, y, M, N, K, begin, end, scratch);
    }
    return kernel.f32(y, M * N);
  }

  /** y[M, N], each row by the GEMV. */
  gemv(rows: QuantizedRows, ranges: [number, number][] = [[0, Math.ceil(this.weights.N / 8)]]): Float32Array {
    const { M } = rows;
    const { N, K, G } = this.weights;
    const { kernel, w, bias, bits } = this;
    const [q, scales, sums] = [kernel.put(rows.q), kernel.put(rows.scales), kernel.put(groupSums(rows, G))];
    const [y, scratch] = [kernel.region(4 * M * N), kernel.region(kernel.run.linear_scratch_bytes(1, K))];
    for (let m = 0; m < M; m++) {
      const row = {
        q: offsetBy(q, m * K * rows.q.BYTES_PER_ELEMENT),
        scale: offsetBy(scales, 4 * m),
        sums: offsetBy(sums, (4 * m * K) / G),
        y: offsetBy(y, 4 * m * N),
      };
      for (const [begin, end] of ranges) {
        if (bits.w !== 8)
          kernel.run[`gemv_qd8_f32_${BLOCKWISE[bits.w]}_1x8c4`](
            row.q,
            row.scale,
            row.sums,
            w,
            bias,
            row.y,
            N,
            K,
            G,
            begin,
            end,
            scratch,
          );
        else kernel.run[`gemv_qd${bits.a}_f32_qc8w_1x8c4`](row.q, row.scale, w, bias, row.y, N, K, begin, end, scratch);
      }
    }
    return kernel.f32(y, M * N);
  }
}
