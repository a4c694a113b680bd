/**
 * What a row of the kernel table says, and what it makes of it: a signature whose arguments have names.
 *
 * TypeScript cannot make a label of a string, but it keeps the labels of tuples that are joined. So
 * `Arguments` has a tuple of one for each name, and the names of a row, one after the other, are the tuple of
 * its arguments.
 */
import type { Pointer } from "../pointer.ts";

/** One export of the kernel builds. */
export interface KernelRow {
  /**
   * Names of `Arguments`, separated by spaces. Those of a share (`begin end`, `scratch`) are left out:
   * `units` and `scratch` say them.
   */
  readonly args: string;
  /**
   * The parts of a call's work that threads can share out: the kernel takes the half-open range `begin, end`
   * of them.
   */
  readonly units?: string;
  /** Takes the calling thread's own scratch, last. */
  readonly scratch?: true;
  /**
   * How many units are given out at a time, to whoever is free. Without it all are shared out equally
   * beforehand.
   */
  readonly taken?: number;
  /** What comes back; without it nothing does. */
  readonly returns?: "bytes" | "index" | "nats" | "value";
}

/**
 * Every argument: an address or a number. A name is one of the two in all kernels; what it means, the kernel
 * says.
 */
export interface Arguments {
  // What is computed on.
  x: [x: Pointer];
  y: [y: Pointer];
  q: [q: Pointer];
  k: [k: Pointer];
  v: [v: Pointer];
  a: [a: Pointer];
  w: [w: Pointer];
  weight: [weight: Pointer];
  bias: [bias: Pointer];
  residual: [residual: Pointer];
  scales: [scales: Pointer];
  sums: [sums: Pointer];
  ids: [ids: Pointer];
  table: [table: Pointer];
  source: [source: Pointer];
  packed: [packed: Pointer];
  cache: [cache: Pointer];
  frequencies: [frequencies: Pointer];
  rows: [rows: Pointer];
  slopes: [slopes: Pointer];
  cos: [cos: Pointer];
  sin: [sin: Pointer];
  logits: [logits: Pointer];
  targets: [targets: Pointer];
  losses: [losses: Pointer];
  min: [min: Pointer];
  max: [max: Pointer];
  sumSquares: [sumSquares: Pointer];
  qkv: [qkv: Pointer];
  dx: [dx: Pointer];
  dy: [dy: Pointer];
  dqkv: [dqkv: Pointer];
  dweight: [dweight: Pointer];
  values: [values: Pointer];
  transposed: [transposed: Pointer];
  gradients: [gradients: Pointer];
  gram: [gram: Pointer];
  hessian: [hessian: Pointer];
  factor: [factor: Pointer];
  groups: [groups: Pointer];
  importance: [importance: Pointer];
  codes: [codes: Pointer];
  zeros: [zeros: Pointer];
  minima: [minima: Pointer];
  steps: [steps: Pointer];
  lows: [lows: Pointer];
  centers: [centers: Pointer];
  quanta: [quanta: Pointer];
  multipliers: [multipliers: Pointer];
  halves: [halves: Pointer];
  affine: [affine: Pointer];
  columns: [columns: Pointer];
  errors: [errors: Pointer];
  offsets: [offsets: Pointer];
  clips: [clips: Pointer];
  rounded: [rounded: Pointer];
  scratch: [scratch: Pointer];
  // Dimensions (their letters: `src/architecture/model-config.ts`), and how many of something.
  M: [M: number];
  N: [N: number];
  K: [K: number];
  G: [G: number];
  B: [B: number];
  V: [V: number];
  E: [E: number];
  F: [F: number];
  H: [H: number];
  Hkv: [Hkv: number];
  D: [D: number];
  S: [S: number];
  heads: [heads: number];
  rotary: [rotary: number];
  stride: [stride: number];
  size: [size: number];
  count: [count: number];
  rowBegin: [rowBegin: number];
  rowCount: [rowCount: number];
  position: [position: number];
  window: [window: number];
  divisor: [divisor: number];
  cap: [cap: number];
  passes: [passes: number];
  begin: [begin: number];
  end: [end: number];
  // Values.
  eps: [eps: number];
  theta: [theta: number];
  base: [base: number];
  exponent: [exponent: number];
  scale: [scale: number];
  low: [low: number];
  high: [high: number];
  kScale: [kScale: number];
  vScale: [vScale: number];
  temperature: [temperature: number];
  lossFactor: [lossFactor: number];
  mantissaBits: [mantissaBits: number];
  minExponent: [minExponent: number];
  largest: [largest: number];
  top: [top: number];
  type: [type: number];
  search: [search: number];
  rate: [rate: number];
}

type Words<Text extends string> = Text extends `${infer First} ${infer Rest}` ? [First, ...Words<Rest>] : [Text];

/** A name that `Arguments` lacks is an argument nobody can give. */
type Tuple<Names extends readonly string[]> = Names extends [infer First, ...infer Rest extends string[]]
  ? [...(First extends keyof Arguments ? Arguments[First] : [unknownName: never]), ...Tuple<Rest>]
  : [];

/** A kernel's arguments before those of a share. */
export type WorkOf<Row extends KernelRow> = Row extends KernelRow ? Tuple<Words<Row["args"]>> : never;

/** What a row's kernel is called with. */
type ArgumentsOf<Row extends KernelRow> = [
  ...WorkOf<Row>,
  ...(Row extends { units: string } ? Tuple<["begin", "end"]> : []),
  ...(Row extends { scratch: true } ? Tuple<["scratch"]> : []),
];

/** The exports of a table. */
export type ExportsOf<Table extends Readonly<Record<string, KernelRow>>> = {
  -readonly [Name in keyof Table]: (...args: ArgumentsOf<Table[Name]>) => Table[Name] extends { returns: string } ? number : void;
};
