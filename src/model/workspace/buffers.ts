/** What a forward pass reads and writes beside weights and caches: addresses only. */
import type { Pointer } from "../../kernels/pointer.ts";

export interface Buffers {
  /** Most rows (tokens) of a pass. */
  readonly maxRows: number; // M
  readonly ids: Pointer; // i32[M]
  readonly rows: Pointer; // i32[3 M], the row table (`batch.ts`)
  /** f32[M, W]; NULL where the embedding has as many channels as the blocks. */
  readonly embedded: Pointer;
  readonly hidden: Pointer; // f32[M, E], the residual stream
  readonly normed: Pointer; // f32[M, E]
  /** f32[2, M]: reciprocal sizes of rows of the residual stream, and sizes; NULL where nothing needs them. */
  readonly residualScales: Pointer;
  readonly qkv: Pointer; // f32[M, qkvStride]: H heads of queries, Hkv of keys, Hkv of values, and what else reads the same norm
  readonly qkvStride: number;
  readonly attended: Pointer; // f32[M, H * D]
  readonly projected: Pointer; // f32[M, E], what o and down add to the residual stream
  readonly up: Pointer; // f32[M, upStride]: gate and up, or up alone; within `qkv` where one norm feeds both
  readonly upStride: number;
  readonly activated: Pointer; // f32[M, F]
  /** undefined where heads are whole lanes */
  readonly padded: HeadBuffers | undefined;
  /** f32[M, K] of layers that need zeros behind their input; NULL where none can. */
  readonly paddedInput: Pointer;
  readonly activations: ActivationBuffers;
}

/** Heads with zeros behind them, each of D elements then. */
export interface HeadBuffers {
  readonly D: number;
  readonly qkv: Pointer; // f32[M, (H + 2 Hkv) * D]
  readonly attended: Pointer; // f32[M, H * D]
}

/** Where quantized activations of a layer's input live while it runs. */
export interface ActivationBuffers {
  readonly q: Pointer; // i8[M, K]; i16[M, K] of 14 bits
  readonly scales: Pointer; // f32[M]
  readonly sums: Pointer; // i32[M, K/G]
  /** Both of rows whose columns are in another order; undefined if no file can have that. */
  readonly ordered?: { readonly q: Pointer; readonly sums: Pointer } | undefined;
  /**
   * What rounding leaves of an input, f32[M, K], and what is made of it, f32[M, N]; undefined if no input is
   * refined.
   */
  readonly rest?: { readonly x: Pointer; readonly y: Pointer } | undefined;
  /** undefined if no layer has a low-rank term */
  readonly lowRank?: LowRankBuffers | undefined;
}

/** Where a term lives while its layer runs. */
export interface LowRankBuffers {
  readonly inner: Pointer; // f32[M, R]
  readonly outer: Pointer; // f32[M, N]
}

export interface RopeTable {
  readonly frequencies: Pointer; // f32[R/2], R = rotaryDim
  readonly cos: Pointer; // f32[positions, R/2]
  readonly sin: Pointer; // f32[positions, R/2]
}

/** What positions need in memory: tables for RoPE, slopes f32[H] for ALiBi. */
export interface PositionTables {
  /** One for each of `ropesOf`. */
  readonly ropes: readonly RopeTable[];
  readonly slopes: Pointer;
}

/** Where rows wait to be packed. */
export interface Staging {
  readonly source: Pointer;
  readonly scales: Pointer;
  readonly quantized: Pointer;
  readonly sums: Pointer;
}
