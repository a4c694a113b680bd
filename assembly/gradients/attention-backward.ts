/**
 * Gradients of causal attention over a whole sequence, y = softmax(q k^T / sqrt(D)) v, for each query head h
 * and its K/V head:
 *
 *   p[j] = softmax over j <= m of s[j]         s[j] = q[m] . k[j] * scale        a[j] = dy[m] . v[j]
 *   e[j] = p[j] (a[j] - sum of p a) * scale
 *   dq[m] = sum of e[j] k[j]                   dk[j] += e[j] q[m]                dv[j] += p[j] dy[m]
 *
 *   qkv, dqkv  f32[M, stride], stride = (H + 2 Hkv) D: query heads, key heads, value heads; dqkv is written
 *   dy         f32[M, H * D]
 *   window     how many of the latest tokens a row sees; 0 for all
 *   scratch    f32[2 (M + 4)]
 *
 * Order of the sums: dot products by lane d mod 8, ascending, then (lanes 0-3) + (lanes 4-7), then (0 + 1) +
 * (2 + 3); sums over j by lane j mod 4 counted from the first token seen, ascending, then (0 + 1) + (2 + 3);
 * gradients over query heads, then m or j, ascending. Preconditions: D a multiple of 8. Reads and writes
 * nothing outside the shapes. Units: K/V heads, which share nothing.
 */
import { largest } from "../elementwise/exponential-sum";
import { exp4 } from "../math/math";
import { sumLanes } from "../math/simd";


@inline
function axpy(p: usize, a: v128, x: v128): void {
  v128.store(p, f32x4.add(v128.load(p), f32x4.mul(a, x)));
}

function zero(p: usize, rows: i32, bytes: usize, row: usize): void {
  for (let m = 0; m < rows; m++) {
    memory.fill(p, 0, bytes);
    p += row;
  }
}

/** s[j] and a[j] of `count` tokens whose keys begin at k and values at v. */
function products(
  q: usize,
  dy: usize,
  k: usize,
  v: usize,
  s: usize,
  a: usize,
  count: i32,
  bytes: usize,
  row: usize,
  scale: f32,
): void {
  for (let j = 0; j < count; j++) {
    let s0 = f32x4.splat(0),
      s1 = s0,
      a0 = s0,
      a1 = s0;
    for (let d: usize = 0; d < bytes; d += 32) {
      s0 = f32x4.add(s0, f32x4.mul(v128.load(q + d), v128.load(k + d)));
      s1 = f32x4.add(s1, f32x4.mul(v128.load(q + d, 16), v128.load(k + d, 16)));
      a0 = f32x4.add(a0, f32x4.mul(v128.load(dy + d), v128.load(v + d)));
      a1 = f32x4.add(a1, f32x4.mul(v128.load(dy + d, 16), v128.load(v + d, 16)));
    }
    store<f32>(s, sumLanes(f32x4.add(s0, s1)) * scale);
    store<f32>(a, sumLanes(f32x4.add(a0, a1)));
    s += 4;
    a += 4;
    k += row;
    v += row;
  }
}

/** s becomes p, and a becomes e: both padded to whole vectors. */
function weights(s: usize, a: usize, count: i32, scale: f32): void {
  const max = f32x4.splat(largest(s, count));
  const bytes = (<usize>((count + 3) & ~3)) << 2;
  for (let i = (<usize>count) << 2; i < bytes; i += 4) {
    store<f32>(s + i, -Infinity);
    store<f32>(a + i, 0);
  }
  let sum = f32x4.splat(0),
    dot = sum;
  for (let i: usize = 0; i < bytes; i += 16) {
    const e = exp4(f32x4.sub(v128.load(s + i), max));
    v128.store(s + i, e);
    sum = f32x4.add(sum, e);
    dot = f32x4.add(dot, f32x4.mul(e, v128.load(a + i)));
  }
  const total = f32x4.splat(sumLanes(sum));
  const mean = f32x4.div(f32x4.splat(sumLanes(dot)), total);
  for (let i: usize = 0; i < bytes; i += 16) {
    const p = f32x4.div(v128.load(s + i), total);
    v128.store(s + i, p);
    v128.store(a + i, f32x4.mul(f32x4.mul(p, f32x4.sub(v128.load(a + i), mean)), f32x4.splat(scale)));
  }
}

export function attention_backward_f32(
  qkv: usize,
  dy: usize,
  dqkv: usize,
  M: i32,
  H: i32,
  Hkv: i32,
  D: i32,
  window: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const bytes = (<usize>D) << 2;
  const row = <usize>(H + 2 * Hkv) * bytes;
  const yRow = <usize>H * bytes;
  const scale: f32 = 1 / sqrt<f32>(<f32>D);
  const shared = H / Hkv;
  const s = scratch,
    a = scratch + ((<usize>(M + 4)) << 2);
  for (let kv = begin; kv < end; kv++) {
    const kHead = <usize>(H + kv) * bytes,
      vHead = <usize>(H + Hkv + kv) * bytes;
    zero(dqkv + kHead, M, bytes, row);
    zero(dqkv + vHead, M, bytes, row);
    zero(dqkv + <usize>(kv * shared) * bytes, M, <usize>shared * bytes, row);
    for (let h = kv * shared; h < (kv + 1) * shared; h++) {
      const head = <usize>h * bytes;
      for (let m = 0; m < M; m++) {
        const first = window > 0 ? max(0, m - window + 1) : 0;
        const count = m - first + 1;
        const q = qkv + <usize>m * row + head,
          dq = dqkv + <usize>m * row + head,
          d = dy + <usize>m * yRow + head;
        const past = <usize>first * row;
        products(q, d, qkv + past + kHead, qkv + past + vHead, s, a, count, bytes, row, scale);
        weights(s, a, count, scale);
        let k = qkv + past + kHead,
          dk = dqkv + past + kHead,
          dv = dqkv + past + vHead;
        for (let j: usize = 0; j < <usize>count; j++) {
          const p = v128.load32_splat(s + (j << 2)),
            e = v128.load32_splat(a + (j << 2));
          for (let i: usize = 0; i < bytes; i += 16) {
            axpy(dq + i, e, v128.load(k + i));
            axpy(dk + i, e, v128.load(q + i));
            axpy(dv + i, p, v128.load(d + i));
          }
          k += row;
          dk += row;
          dv += row;
        }
      }
    }
  }
}
