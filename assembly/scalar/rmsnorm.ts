/** Twins of `../rmsnorm.ts`: sixteen partial sums, element k in sum k mod 16, then the same tree. */

function partialSum(x: usize, K: i32, lane: i32): f32 {
  let sum: f32 = 0;
  for (let k = lane; k < K; k += 16) {
    const value = load<f32>(x + ((<usize>k) << 2));
    sum += value * value;
  }
  return sum;
}

/** One lane of (vector 0 + vector 1) + (vector 2 + vector 3). */
function lane(x: usize, K: i32, i: i32): f32 {
  return partialSum(x, K, i) + partialSum(x, K, i + 4) + (partialSum(x, K, i + 8) + partialSum(x, K, i + 12));
}

export function reciprocalRms(x: usize, K: i32, eps: f32): f32 {
  const sum: f32 = lane(x, K, 0) + lane(x, K, 1) + (lane(x, K, 2) + lane(x, K, 3));
  return 1 / sqrt<f32>(sum / <f32>K + eps);
}

function normalize(x: usize, weight: usize, y: usize, K: i32, eps: f32): void {
  const r = reciprocalRms(x, K, eps);
  for (let k = 0; k < K; k++) {
    const i = (<usize>k) << 2;
    store<f32>(y + i, load<f32>(x + i) * r * load<f32>(weight + i));
  }
}

export function rmsnorm_f32(x: usize, weight: usize, y: usize, M: i32, K: i32, eps: f32, begin: i32, end: i32): void {
  for (let m = begin; m < end; m++) {
    const row = (<usize>(m * K)) << 2;
    normalize(x + row, weight, y + row, K, eps);
  }
}

export function rmsnorm_heads_f32(
  x: usize,
  weight: usize,
  heads: i32,
  D: i32,
  stride: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  for (let m = begin; m < end; m++) {
    for (let h = 0; h < heads; h++) {
      const head = x + ((<usize>(m * stride + h * D)) << 2);
      normalize(head, weight, head, D, eps);
    }
  }
}
