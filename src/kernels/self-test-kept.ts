/**
 * The same question as in `self-test.ts` of the builds for weights that are kept as a file has them, where
 * such a model is loaded: do they compute what the scalar twins do?
 */
import { NULL } from "./pointer.ts";
import { passesOnce, ROWS, TestMemory } from "./self-test-memory.ts";

/** FNV-1a of the problem's results. `test/kernels/self-test-kept.test.ts` computes it anew with the twins. */
export const KEPT_SELF_TEST_DIGEST = 0x9533f990;

/**
 * Seven panels, which neither 2 nor 3 streams share evenly, the last of seven channels; groups in odd
 * numbers.
 */
const [N, K, G, B] = [55, 480, 32, 96] as const;

const KINDS = ["qb8w", "qb4zw", "qb4mw", "qb4aw", "qb8aw"] as const;

/**
 * Whether a build computes what the scalar twins compute.
 *
 * @param modules those of a build that runs models, which pass their own self-test, then those for kept
 *   weights
 */
export function keptPassesSelfTest(modules: readonly WebAssembly.Module[], shared: boolean): boolean {
  return passesOnce(modules, () => keptSelfTestDigest(modules, shared) === KEPT_SELF_TEST_DIGEST);
}

/** Runs the problem on fresh instances. */
export function keptSelfTestDigest(modules: readonly WebAssembly.Module[], shared: boolean): number {
  const problem = new Problem(modules, shared);
  for (const kind of KINDS) {
    problem.linear(kind, 1, "gemv");
    for (const M of ROWS) problem.linear(kind, M, "gemm");
  }
  return problem.digest;
}

class Problem extends TestMemory {
  /** Weights of all values, M rows of activations. */
  linear(kind: (typeof KINDS)[number], M: number, op: "gemv" | "gemm"): void {
    const { run, end: start } = this;
    const size = kind === "qb4mw" ? B : G;
    const [q, scales, sums] = this.rows(M, K, G);
    const w = this[kind]();
    const y = this.reserve(4 * M * N);
    const scratch = this.reserve(run.linear_scratch_bytes(M, K));
    const panels = Math.ceil(N / 8);
    if (kind === "qb8w") {
      if (op === "gemv") run.gemv_qd8_f32_qb8w_1x8c4(q, scales, w, NULL, y, N, K, G, 0, panels, scratch);
      else run.gemm_qd8_f32_qb8w_x8c4(q, scales, w, NULL, y, M, N, K, G, 0, panels, scratch);
    } else {
      if (op === "gemv") run[`gemv_qd8_f32_${kind}_1x8c4`](q, scales, sums, w, NULL, y, N, K, size, 0, panels, scratch);
      else run[`gemm_qd8_f32_${kind}_x8c4`](q, scales, sums, w, NULL, y, M, N, K, size, 0, panels, scratch);
    }
    this.mix(y, M * N);
    this.end = start;
  }

  qb8w() {
    const [source, scales] = [this.words((N * K) / 4), this.floats((N * K) / G)];
    const w = this.reserve(this.run.packed_bytes_qb8w(N, K, G));
    this.run.pack_qb8w(source, scales, w, 0, N, N, K, G);
    return w;
  }

  qb4zw() {
    const [source, scales] = [this.words((N * K) / 8), this.floats((N * K) / G)];
    const groups = (N * K) / G;
    const zeros = this.reserve(groups);
    new Uint8Array(this.memory.buffer, zeros, groups).forEach((_, i, values) => (values[i] = (5 * i) % 17));
    const w = this.reserve(this.run.packed_bytes_qb4zw(N, K, G));
    this.run.pack_qb4zw(source, scales, zeros, w, 0, N, N, K, G);
    return w;
  }

  qb4mw() {
    const source = this.words((N * K) / 8);
    const words = Math.ceil((N * K) / 32 / 4);
    const [scales, minima, multipliers] = [this.words(words), this.words(words), this.floats((2 * N * K) / B)];
    const w = this.reserve(this.run.packed_bytes_qb4mw(N, K, B));
    this.run.pack_qb4mw(source, scales, minima, multipliers, w, 0, N, N, K, B);
    return w;
  }

  qb4aw() {
    const source = this.words((N * K) / 8);
    const count = (2 * N * K) / G;
    const halves = this.words(count / 2);
    // Without the upper bit of exponents: no infinity, no NaN, but subnormals.
    const bits = new Uint16Array(this.memory.buffer, halves, count);
    bits.forEach((value, i) => (bits[i] = value & 0xbfff));
    const w = this.reserve(this.run.packed_bytes_qb4aw(N, K, G));
    this.run.pack_qb4aw(source, halves, w, 0, N, N, K, G);
    return w;
  }

  qb8aw() {
    const [source, affine] = [this.words((N * K) / 4), this.floats((2 * N * K) / G)];
    const w = this.reserve(this.run.packed_bytes_qb8aw(N, K, G));
    this.run.pack_qb8aw(source, affine, w, 0, N, N, K, G);
    return w;
  }
}
