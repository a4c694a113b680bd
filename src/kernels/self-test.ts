/**
 * Whether a build of the kernels computes the right bits here.
 *
 * An engine may accept relaxed SIMD and still compute it wrongly, in one of its compilers only. So validity
 * is not asked; a small problem is run through every kernel whose instructions differ between builds, and its
 * bits are compared with those of the scalar twins.
 */
import { NULL, offsetBy, type Pointer } from "./pointer.ts";
import { passesOnce, ROWS, TestMemory } from "./self-test-memory.ts";

/**
 * FNV-1a of the problem's results. `test/kernels/self-test.test.ts` computes it anew with the scalar twins.
 */
export const SELF_TEST_DIGEST = 0xb118cdc7;

/** Whether the modules of a build compute what the scalar twins compute. */
export function passesSelfTest(modules: readonly WebAssembly.Module[], shared: boolean): boolean {
  return passesOnce(modules, () => selfTestDigest(modules, shared) === SELF_TEST_DIGEST);
}

/** Runs the problem on fresh instances. */
export function selfTestDigest(modules: readonly WebAssembly.Module[], shared: boolean): number {
  const problem = new Problem(modules, shared);
  problem.linear4("gemv", "qb4w", 1);
  problem.linear4("gemv", "qb4fw", 1);
  problem.linear8("gemv", 1, 8);
  problem.linear8("gemv", 1, 14);
  for (const M of ROWS) {
    problem.linear4("gemm", "qb4w", M);
    problem.linear4("gemm", "qb4fw", M);
    problem.linear8("gemm", M, 8);
    problem.linear8("gemm", M, 14);
  }
  problem.norms();
  problem.attention("qs8");
  problem.attention("qd8");
  return problem.digest;
}

/**
 * Tails everywhere: seven panels, which neither 2, 3 nor 4 streams share evenly, the last of seven channels,
 * three groups, two blocks of tokens.
 */
const [N, K, G] = [55, 96, 32] as const;
const [T, H, HKV, D] = [70, 4, 2, 16] as const;
const QKV = (H + 2 * HKV) * D;

class Problem extends TestMemory {
  /** 4-bit weights, M rows of activations, all values of both. */
  linear4(op: "gemv" | "gemm", weights: "qb4w" | "qb4fw", M: number): void {
    const run = this.run;
    const start = this.end;
    const [q, scales, sums] = this.rows(M, K, G);
    const source = this.words((N * K) / 8);
    const weightScales = this.floats((N * K) / G);
    const w = this.reserve(run.packed_bytes_qb4w(N, K, G));
    const y = this.reserve(4 * M * N);
    const scratch = this.reserve(run.linear_scratch_bytes(M, K));
    run.pack_qb4w(source, weightScales, w, 0, N, N, K, G);
    const panels = Math.ceil(N / 8);
    if (op === "gemv") run[`gemv_qd8_f32_${weights}_1x8c4`](q, scales, sums, w, NULL, y, N, K, G, 0, panels, scratch);
    else run[`gemm_qd8_f32_${weights}_x8c4`](q, scales, sums, w, NULL, y, M, N, K, G, 0, panels, scratch);
    this.mix(y, M * N);
    this.end = start;
  }

  /** 8-bit weights, activations of 8 or 14 bits. */
  linear8(op: "gemv" | "gemm", M: number, bits: 8 | 14): void {
    const run = this.run;
    const start = this.end;
    const [q, scales] = bits === 8 ? this.rows(M, K, K) : this.#rows14(M);
    const source = this.words((N * K) / 4);
    const weightScales = this.floats(N);
    const w = this.reserve(run.packed_bytes_qc8w(N, K));
    const y = this.reserve(4 * M * N);
    const scratch = this.reserve(run.linear_scratch_bytes(M, K));
    run.pack_qc8w(source, weightScales, w, 0, N, N, K);
    const panels = Math.ceil(N / 8);
    if (op === "gemv") run[`gemv_qd${bits}_f32_qc8w_1x8c4`](q, scales, w, NULL, y, N, K, 0, panels, scratch);
    else run[`gemm_qd${bits}_f32_qc8w_x8c4`](q, scales, w, NULL, y, M, N, K, 0, panels, scratch);
    this.mix(y, M * N);
    this.end = start;
  }

  /** The steps between linear layers that quantize what they make: a sum and its norm, SwiGLU. */
  norms(): void {
    const run = this.run;
    const start = this.end;
    const M = 3;
    const [x, residual, gateUp] = [this.floats(M * K), this.floats(M * K), this.floats(2 * M * K)];
    const weight = this.floats(K);
    const [q, scales, sums] = [this.reserve(M * K), this.reserve(4 * M), this.reserve((4 * M * K) / G)];
    const scale = 1 / 64;
    const mix = () => {
      this.mix(q, (M * K) / 4);
      this.mix(scales, M);
      this.mix(sums, (M * K) / G);
    };
    run.rmsnorm_f32_qd8(x, residual, weight, q, scales, sums, K, G, 1e-5, 0, 0, M);
    mix();
    run.rmsnorm_f32_qd8(x, NULL, weight, q, scales, sums, K, G, 1e-5, scale, 0, M);
    mix();
    const wide = this.reserve(2 * M * K);
    run.rmsnorm_f32_qd14(x, residual, weight, wide, scales, K, 1e-5, 0, M);
    this.mix(wide, (M * K) / 2);
    this.mix(scales, M);
    // The second call's gates are the first one's results.
    run.swiglu_f32_qd8(gateUp, q, scales, sums, K, G, 2 * K, 0, 0, M);
    mix();
    run.swiglu_f32_qd8(gateUp, q, scales, sums, K, G, 2 * K, scale, 0, M);
    mix();
    this.mix(x, M * K);
    this.end = start;
  }

  /** T tokens over an int8 cache, static or dynamic. */
  attention(kind: "qs8" | "qd8"): void {
    const run = this.run;
    const start = this.end;
    const qkv = this.floats(T * QKV);
    const k = this.reserve(run[`k_cache_bytes_${kind}`](HKV, T, D));
    const v = this.reserve(run[`v_cache_bytes_${kind}`](HKV, T, D));
    const y = this.reserve(4 * T * H * D);
    const scratch = this.reserve(run.attention_scratch_bytes(T, T, D));
    const rows = this.#rowTable();
    const scale = 1 / 64;
    const [kAt, vAt] = [offsetBy(qkv, 4 * H * D), offsetBy(qkv, 4 * (H + HKV) * D)];
    if (kind === "qs8") {
      run.append_k_qs8(kAt, k, rows, QKV, HKV, D, scale, 0, T);
      run.append_v_qs8(vAt, v, rows, QKV, HKV, D, scale, 0, T);
    } else {
      run.append_k_qd8(kAt, k, rows, QKV, HKV, D, 0, T);
      run.append_v_qd8(vAt, v, rows, QKV, HKV, D, 0, T);
    }
    const attention = run[`attention_f32_k${kind}_v${kind}`];
    const attend = (M: number, units: number) => {
      const position = T - M;
      const query = offsetBy(qkv, 4 * position * QKV);
      const from = position === 0 ? rows : this.#rowTable(position);
      attention(query, k, v, y, from, NULL, M, QKV, H, HKV, D, T, 0, Math.sqrt(D), 0, scale, scale, 0, units, scratch);
      this.mix(y, M * H * D);
    };
    attend(T, T * H);
    // The tiles of one, two and three rows; the rest of two rows of results stays what it was.
    for (const units of [1, 2, 3]) attend(2, units);
    this.end = start;
  }

  /** The rows of one sequence of T tokens from `first` on, its blocks in descending order. */
  #rowTable(first = 0): Pointer {
    const last = Math.ceil(T / 64) - 1;
    const blocks = this.reserve(4 * (last + 1));
    const M = T - first;
    const rows = this.reserve(12 * M);
    new Int32Array(this.memory.buffer, blocks, last + 1).forEach((_, b, table) => (table[b] = last - b));
    const table = new Int32Array(this.memory.buffer, rows, 3 * M);
    for (let m = 0; m < M; m++) {
      table.set([first + m, blocks], 2 * m);
      table[2 * M + m] = first + m + 1;
    }
    return rows;
  }

  /** 14-bit rows: of all values, the first at both ends of the range. */
  #rows14(M: number): [q: Pointer, scales: Pointer] {
    const q = this.words((M * K) / 2);
    const values = new Int16Array(this.memory.buffer, q, M * K);
    values.forEach((value, i) => (values[i] = Math.max(-8191, value >> 2)));
    values.fill(-8191, 0, K / 2).fill(8191, K / 2, K);
    return [q, this.floats(M)];
  }
}
