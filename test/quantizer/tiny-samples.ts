/** Token sequences for tiny models. */
import { mulberry32 } from "../random.ts";

/** `count` sequences of `length` ids of a vocabulary of 320. */
export function tinySamples(seed: number, count: number, length: number): Int32Array[] {
  const random = mulberry32(seed);
  return Array.from({ length: count }, () => Int32Array.from({ length }, () => Math.floor(random() * 320)));
}
