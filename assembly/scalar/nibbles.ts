// Nibbles of the twins' packed weights, one at a time, addressed as ../layouts/layout.ts draws qb4w.
import { KR } from "../layouts/layout";

function byteOf(blocks: usize, c: i32, k: i32): usize {
  return blocks + <usize>((k / KR) * 16 + (c % 4) * KR + (k % KR));
}

/** The nibble of channel c and k (within its group) of a group's 16-byte blocks. */
export function loadNibble(blocks: usize, c: i32, k: i32): i32 {
  const byte = <i32>load<u8>(byteOf(blocks, c, k));
  return c < 4 ? byte & 15 : byte >> 4;
}

/** Sets it to u and leaves its neighbour. */
export function storeNibble(blocks: usize, c: i32, k: i32, u: i32): void {
  const byte = byteOf(blocks, c, k);
  const other = <i32>load<u8>(byte);
  store<u8>(byte, c < 4 ? (other & 0xf0) | u : (other & 0x0f) | (u << 4));
}

/** Element i of words of eight nibbles. */
export function sourceNibble(source: usize, i: usize): i32 {
  return (load<u32>(source + (i / 8) * 4) >> (4 * <u32>(i % 8))) & 15;
}
