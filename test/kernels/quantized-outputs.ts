/** What kernels that quantize write, and the shapes they are tried with. */
import { NULL, type Pointer } from "../../src/kernels/pointer.ts";
import type { KernelMemory } from "./kernel-memory.ts";

export const STATIC_SCALE = Math.fround(1 / 40);

export interface Shape {
  M: number;
  K: number;
  G: number;
}
export type Range = readonly [begin: number, end: number];

/** What a kernel writes, as words: q, scales, sums, and f32[M, K] it changed. */
export class Outputs {
  readonly q: Pointer;
  readonly scales: Pointer;
  readonly sums: Pointer;
  private readonly kernels: KernelMemory;
  private readonly shape: Shape;

  constructor(kernels: KernelMemory, shape: Shape) {
    const { M, K, G } = shape;
    this.kernels = kernels;
    this.shape = shape;
    this.q = kernels.region(M * K);
    this.scales = kernels.region(4 * M);
    this.sums = kernels.region((4 * M * K) / G);
  }

  /** @param floats f32[M, K] to append, or NULL for none */
  words(floats: Pointer): Int32Array {
    const { kernels } = this;
    const { M, K, G } = this.shape;
    const words = [...kernels.i32(this.q, (M * K) / 4), ...kernels.i32(this.scales, M), ...kernels.i32(this.sums, (M * K) / G)];
    return Int32Array.from(floats === NULL ? words : [...words, ...kernels.i32(floats, M * K)]);
  }
}

/** Floats x f32[M, K], by the kernel that only quantizes. */
export function quantize({ run }: KernelMemory, x: Pointer, out: Outputs, { M, K, G }: Shape, dynamic: boolean): void {
  if (dynamic) run.quantize_f32_qd8(x, out.q, out.scales, out.sums, K, G, 0, M);
  else run.quantize_f32_qs8(x, out.q, out.scales, out.sums, K, G, STATIC_SCALE, 0, M);
}

export const SHAPES: Shape[] = [16, 32, 64, 128].flatMap((G) =>
  [1, 2, 3, 5].flatMap((groups) => [0, 1, 2, 5].map((M) => ({ M, K: groups * G, G }))),
);
SHAPES.push({ M: 2, K: 576, G: 64 }, { M: 2, K: 1536, G: 128 });
export const halves = (M: number): Range[] => [
  [M >> 1, M],
  [0, M >> 1],
];
