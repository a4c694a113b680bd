/**
 * x = x * scale, in place: what an embedding, a branch or logits are multiplied by. Products rounded.
 *
 *   x  f32[M, K]
 *
 * Reads and writes nothing outside the shape. Units: rows.
 */
export function scale_f32(x: usize, K: i32, scale: f32, begin: i32, end: i32): void {
  const factor = f32x4.splat(scale);
  let at = x + ((<usize>begin * K) << 2);
  const last = x + ((<usize>end * K) << 2);
  for (; at + 16 <= last; at += 16) v128.store(at, f32x4.mul(v128.load(at), factor));
  for (; at < last; at += 4) store<f32>(at, load<f32>(at) * scale);
}
