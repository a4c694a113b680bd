/**
 * T_v, an invertible matrix for each value head (FPTQuant): attention is a weighted mean over tokens, linear
 * in the values of a head.
 *
 *   W_v[h]' = T_h W_v[h], b_v[h]' = T_h b_v[h];  W_o[:, i]' = W_o[:, i] T_h^-1, i the query heads of h
 *
 * T = Q diag(s) P C: Q and P as the start leaves them, s bounded (`tunable.ts`), C = (I - A) (I + A)^-1 with
 * A skew (Cayley). So no step makes T singular: its condition is at most e^6 times that of nothing.
 *
 * Start: with S = E[v v^T] and M = sum over i of W_o[:, i]^T W_o[:, i], and Q making all channels alike, the
 * error at the output grows with tr(T S T^T) tr(T^-T M T^-1), which is least for T = Q B^(1/2),
 *
 *   B = S^(-1/2) (S^(1/2) M S^(1/2))^(1/2) S^(-1/2)
 *
 * the geometric mean of S^-1 and M (derived here). Heads then get the same mean square, since they share one
 * scale of the cache.
 *
 *   dL/dT = g_v W_v^T - sum over i of W_o[:, i]'^T g_o,i T^-T
 */
import type { Block } from "../../../architecture/description.ts";
import type { ModelConfig } from "../../../architecture/model-config.ts";
import { spreadingMatrix } from "../../matrix/spreading-matrix.ts";
import { changeEigenvalues, eliminated, identity, invert, product, scaleRows, symmetricEigen, transpose } from "../../matrix/square-matrix.ts"; // prettier-ignore
import { inputOf, partsOfRows } from "../block-modules.ts";
import { denseBlocks } from "../side-matrix.ts";
import type { ModuleTransform, Transform } from "../transform.ts";
import { boundedScale, boundedScaleArgument, boundedScaleSlope, centered, type Sides, type TunableTransform } from "./tunable.ts";

/** What is added to S's diagonal, as a share of its mean: directions that no value takes have no inverse. */
const REGULARIZATION = 1e-6;

/**
 * The transform of one layer.
 *
 * @param matrices T of each value head, f64[D, D]
 * @throws NumericError naming the layer for one that is singular or nearly so
 */
export function valueTransform(config: ModelConfig, block: Block, matrices: readonly Float64Array[]): Transform {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const inverses = matrices.map((T, head) => invert(T, D, `${block.name}: transform "value", head ${head}`));
  const transposed = matrices.map((T) => transpose(T, D));
  const values = partsOfRows(inputOf(block, "qkv").modules, (H + Hkv) * D, Hkv * D);
  const columnMatrices = [
    denseBlocks(
      0,
      D,
      Array.from({ length: H }, (_, i) => inverses[Math.floor(i / (H / Hkv))]!),
    ),
  ];
  return {
    modules: new Map<string, ModuleTransform>([
      ...values.map(({ module, row, from, to }) => {
        return [module.name, { rowMatrices: [denseBlocks(row, D, transposed.slice(from / D, to / D))] }] as const;
      }),
      ...inputOf(block, "o").modules.map(({ name }) => [name, { columnMatrices }] as const),
    ]),
    norms: new Map(),
  };
}

/** What a layer's values and output projection are like, by value head. */
export interface ValueMoments {
  readonly second: readonly Float64Array[]; // S, f64[D, D]
  readonly output: readonly Float64Array[]; // M, f64[D, D]
}

/** A head's fixed factors. */
interface Head {
  readonly Q: Float64Array;
  readonly P: Float64Array;
}

/** T and its factors, with the present parameters. */
interface HeadMatrices extends Head {
  readonly scales: Float64Array;
  /** (I + A)^-1 */
  readonly M: Float64Array;
  readonly C: Float64Array;
  readonly T: Float64Array;
  readonly inverse: Float64Array;
}

/** Parameters of each head: D arguments of scales, then A above its diagonal, row by row. */
export class ValueMatrices implements TunableTransform {
  readonly name: string;
  readonly N: number;
  readonly K: number;
  readonly parameters: Float64Array;
  readonly #config: ModelConfig;
  readonly #block: Block;
  readonly #heads: readonly Head[];

  constructor(config: ModelConfig, block: Block, { second, output }: ValueMoments) {
    this.name = `${block.name}: transform "value"`;
    this.#config = config;
    this.#block = block;
    const { heads: H, kvHeads: Hkv, headDim: D } = config;
    this.N = Hkv * D;
    this.K = H * D;
    this.parameters = new Float64Array(Hkv * this.#perHead);
    const spread = spreadingMatrix(D);
    const starts = second.map((S, head) => closedForm(S, output[head]!, D));
    // Mean squares of heads behind them, and what makes all of them alike.
    const sizes = starts.map((B, head) => Math.sqrt(trace(product(B, second[head]!, D), D) / D));
    const relative = centered(sizes);
    this.#heads = starts.map((B, head) => {
      const { values, vectors } = symmetricEigen(B, D);
      const roots = values.map((value) => Math.sqrt(Math.max(value, Number.MIN_VALUE)));
      const middle = Math.sqrt(Math.min(...roots)) * Math.sqrt(Math.max(...roots));
      this.parameters.set(
        roots.map((root) => boundedScaleArgument(root / middle)),
        head * this.#perHead,
      );
      const size = middle / relative[head]!;
      return { Q: product(spread, vectors, D).map((value) => value * size), P: transpose(vectors, D) };
    });
  }

  get #perHead(): number {
    const { headDim: D } = this.#config;
    return D + (D * (D - 1)) / 2;
  }

  merge({ rows, columns }: Sides): Sides {
    const { heads: H, kvHeads: Hkv, headDim: D } = this.#config;
    const [n, m] = [rows.length / this.N, columns.length / this.K];
    const merged = { rows: new Float64Array(rows.length), columns: new Float64Array(columns.length) };
    const heads = this.#heads.map((_, head) => this.#matrices(head));
    for (let h = 0; h < Hkv; h++) {
      const begin = h * D * n;
      merged.rows.set(rectangle(heads[h]!.T, rows.subarray(begin, begin + D * n), D, D, n), begin);
    }
    for (let row = 0; row < m; row++) {
      for (let i = 0; i < H; i++) {
        const at = row * this.K + i * D;
        merged.columns.set(rectangle(columns.subarray(at, at + D), heads[Math.floor(i / (H / Hkv))]!.inverse, 1, D, D), at);
      }
    }
    return merged;
  }

  gradient(sides: Sides, merged: Sides, gradients: Sides): Float64Array {
    const { kvHeads: Hkv } = this.#config;
    const result = new Float64Array(this.parameters.length);
    for (let h = 0; h < Hkv; h++) result.set(this.#headGradient(h, sides, merged, gradients), h * this.#perHead);
    return result;
  }

  #headGradient(h: number, { rows }: Sides, { columns }: Sides, g: Sides): Float64Array {
    const { heads: H, kvHeads: Hkv, headDim: D } = this.#config;
    const [n, m, group] = [rows.length / this.N, columns.length / this.K, H / Hkv];
    const { Q, P, scales, M, C, inverse } = this.#matrices(h);
    const ofT = new Float64Array(D * D);
    for (let i = 0; i < D; i++) {
      for (let j = 0; j < D; j++) {
        const [a, b] = [(h * D + i) * n, (h * D + j) * n];
        let sum = 0;
        for (let k = 0; k < n; k++) sum += g.rows[a + k]! * rows[b + k]!;
        ofT[i * D + j] = sum;
      }
    }
    const back = new Float64Array(D * D); // sum of W_o'^T g_o
    for (let row = 0; row < m; row++) {
      for (let i = h * group; i < (h + 1) * group; i++) {
        const at = row * this.K + i * D;
        for (let a = 0; a < D; a++) {
          const value = columns[at + a]!;
          for (let b = 0; b < D; b++) back[a * D + b]! += value * g.columns[at + b]!;
        }
      }
    }
    const undone = product(back, transpose(inverse, D), D);
    for (let at = 0; at < D * D; at++) ofT[at]! -= undone[at]!;
    // T = Q diag(s) P C
    const ofScaled = product(transpose(Q, D), ofT, D); // of diag(s) P C
    const right = product(P, C, D);
    const result = new Float64Array(this.#perHead);
    const own = this.#own(h);
    for (let i = 0; i < D; i++) {
      let sum = 0;
      for (let j = 0; j < D; j++) sum += ofScaled[i * D + j]! * right[i * D + j]!;
      result[i] = sum * scales[i]! * boundedScaleSlope(own[i]!);
    }
    const ofC = product(transpose(P, D), scaleRows(ofScaled, scales), D);
    // dC = -(I + C) dA M
    const left = C.map((value, at) => value + (at % (D + 1) === 0 ? 1 : 0));
    const ofA = product(product(transpose(left, D), ofC, D), transpose(M, D), D);
    let at = D;
    for (let i = 0; i < D; i++) for (let j = i + 1; j < D; j++) result[at++] = ofA[j * D + i]! - ofA[i * D + j]!;
    return result;
  }

  transform(): Transform {
    return valueTransform(this.#config, this.#block, this.#heads.map((_, head) => this.#matrices(head).T)); // prettier-ignore
  }

  #own(head: number): Float64Array {
    return this.parameters.subarray(head * this.#perHead, (head + 1) * this.#perHead);
  }

  #matrices(head: number): HeadMatrices {
    const { headDim: D } = this.#config;
    const { Q, P } = this.#heads[head]!;
    const own = this.#own(head);
    const scales = own.slice(0, D).map(boundedScale);
    const skewed = identity(D);
    let at = D;
    for (let i = 0; i < D; i++) {
      for (let j = i + 1; j < D; j++) {
        skewed[i * D + j] = own[at]!;
        skewed[j * D + i] = -own[at++]!;
      }
    }
    const M = eliminated(skewed, D)!; // I + A with A skew is never singular
    const C = product(transpose(skewed, D), M, D); // I - A = (I + A)^T
    const right = product(P, C, D);
    const T = product(Q, scaleRows(right, scales), D);
    // Q is orthogonal up to the size of its head.
    const size = Q.subarray(0, D).reduce((sum, value) => sum + value * value, 0);
    const back = scaleRows(transpose(Q, D), scales.map((scale) => 1 / (scale * size))); // prettier-ignore
    return { Q, P, scales, M, C, T, inverse: product(transpose(right, D), back, D) };
  }
}

/** The geometric mean of S^-1 and M. */
function closedForm(S: Float64Array, M: Float64Array, D: number): Float64Array {
  const regular = (A: Float64Array) => {
    const more = (REGULARIZATION * trace(A, D)) / D || 1;
    return A.map((value, at) => value + (at % (D + 1) === 0 ? more : 0));
  };
  const { values, vectors } = symmetricEigen(regular(S), D);
  const roots = values.map((value) => Math.sqrt(Math.max(value, Number.MIN_VALUE)));
  const power = (factors: Float64Array) => product(vectors, scaleRows(transpose(vectors, D), factors), D);
  const [root, inverseRoot] = [power(roots), power(roots.map((value) => 1 / value))];
  const middle = product(product(root, regular(M), D), root, D);
  const middleRoot = changeEigenvalues(middle, D, (value) => Math.sqrt(Math.max(value, 0)));
  const mean = product(product(inverseRoot, middleRoot, D), inverseRoot, D);
  return mean.map((value, at) => (value + mean[(at % D) * D + Math.floor(at / D)]!) / 2);
}

function trace(A: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += A[i * n + i]!;
  return sum;
}

/** f64[M, K] times f64[K, N]. */
function rectangle(A: Float64Array, B: Float64Array, M: number, K: number, N: number): Float64Array {
  const C = new Float64Array(M * N);
  for (let i = 0; i < M; i++) {
    for (let k = 0; k < K; k++) {
      const a = A[i * K + k]!;
      for (let j = 0; j < N; j++) C[i * N + j]! += a * B[k * N + j]!;
    }
  }
  return C;
}
