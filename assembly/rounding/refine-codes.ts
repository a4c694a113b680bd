/**
 * Coordinate descent on a rounded weight: each scale, then each code of its group, is set to what is best
 * while all others stay. With e = w - s q and g = H e, the error of a row is e H e^T, and
 *
 *   scale of a group:  s += (q . g) / (q H q^T) over the group's columns
 *   code:              q[k] = code(q[k] + g[k] / (H[k,k] s))
 *
 * A scale is rounded to `type` before it is tried, and kept if the error falls; a code's step never raises
 * it. So no pass does. Weights in two levels, w ~ s u - m with u = q + 8, have their minima m set as well, by
 * the same rule with -1 in place of q. Then s and m stay whole multiples of their quanta, 1 to 255 and 0 to
 * 255 times.
 *
 *   w          f32[N, K]
 *   hessian    f64[K, stride]      both triangles
 *   scales     f32[N, K/G]         changed, as are codes; not 0
 *   lows       f32[N, K/G]         m, changed; 0 where there are none
 *   quanta     f32[N, K/G, 2]      of s and of m; read where there are lows
 *   codes      i8[N, K]
 *   top        the largest code, which tells the kind (code-grid.ts)
 *   errors     f64[panels, K, 8]   written: e, eight rows side by side
 *   gradients  f64[panels, K, 8]   written: g
 *
 * Order: f64, k ascending; columns outside the group learn of its changes when all of it is done.
 * Preconditions: K and G even; scratch has 128 + 192 * G bytes. Units: panels of 8 rows; the last may have
 * fewer. Reads and writes nothing outside the shapes.
 */
import { roundCode } from "./code-grid";
import { projectTwo } from "../linear/project";
import { storableScale } from "./storable-scale";


@inline
function at8(base: usize, k: i32, r: i32): usize {
  return base + ((<usize>k) << 6) + ((<usize>r) << 3);
}

/** out[8] -= by[8] * factor. */
@inline
function subtractScaled(out: usize, by: usize, factor: v128): void {
  for (const end = out + 64; out < end; out += 16) {
    v128.store(out, f64x2.sub(v128.load(out), f64x2.mul(factor, v128.load(by))));
    by += 16;
  }
}


@inline
function usable(scale: f64): bool {
  return abs<f64>(scale) >= 1.1754943508222875e-38 && abs<f64>(scale) < Infinity;
}

/** The whole multiple of a quantum nearest to x, of at least `least` and at most 255. */
function wholeMultiple(x: f64, quantum: f64, least: f64): f32 {
  return <f32>(quantum * max<f64>(least, min<f64>(255, nearest<f64>(x / quantum))));
}

/**
 * What the group of columns low .. low+G-1 multiplies by `q8` f64[G, 8]: its scales, or its minima. What each
 * weight gained is stored to `moved` f64[G, 8], or added for minima; `hq` f64[G, 8] is used. `sums` f64[8].
 */
function refit(
  hessian: usize,
  scale: usize,
  quantum: usize,
  isLow: bool,
  e: usize,
  g: usize,
  moved: usize,
  q8: usize,
  hq: usize,
  sums: usize,
  rows: i32,
  row: usize,
  G: i32,
  groupsOfRow: i32,
  low: i32,
  type: i32,
): void {
  for (let c = 0; c < G; c += 2) {
    const h = hessian + <usize>(low + c) * row + ((<usize>low) << 3);
    projectTwo(h, row, q8, 0, G, hq + ((<usize>c) << 6));
  }
  for (let r = 0; r < 8; r++) {
    let change: f64 = 0;
    if (r < rows) {
      let gain: f64 = 0,
        curvature: f64 = 0;
      for (let c = 0; c < G; c++) {
        const q = load<f64>(at8(q8, c, r));
        gain += q * load<f64>(at8(g, low + c, r));
        curvature += q * load<f64>(at8(hq, c, r));
      }
      const p = scale + ((<usize>(r * groupsOfRow)) << 2);
      const before = <f64>load<f32>(p);
      const best = before + gain / curvature;
      let stored: f32;
      if (quantum == 0) stored = storableScale(<f32>best, type);
      else stored = wholeMultiple(best, <f64>load<f32>(quantum + ((<usize>(r * groupsOfRow)) << 3)), isLow ? 0 : 1);
      const after = <f64>stored;
      change = after - before;
      if (curvature > 0 && (isLow || usable(after)) && change * change * curvature < 2 * change * gain) store<f32>(p, <f32>after);
      else change = 0;
    }
    store<f64>(sums + ((<usize>r) << 3), change);
  }
  for (let c = 0; c < G; c++) {
    for (let r = 0; r < 8; r++) {
      const change = load<f64>(sums + ((<usize>r) << 3));
      const gained = change * load<f64>(at8(q8, c, r));
      store<f64>(at8(g, low + c, r), load<f64>(at8(g, low + c, r)) - change * load<f64>(at8(hq, c, r)));
      store<f64>(at8(e, low + c, r), load<f64>(at8(e, low + c, r)) - gained);
      store<f64>(at8(moved, c, r), isLow ? load<f64>(at8(moved, c, r)) + gained : gained);
    }
  }
}

/** Codes of the group, one column after another. `sums` f64[8]. */
function refineGroup(
  hessian: usize,
  scale: usize,
  code: usize,
  e: usize,
  g: usize,
  moved: usize,
  sums: usize,
  rows: i32,
  K: i32,
  row: usize,
  G: i32,
  groupsOfRow: i32,
  low: i32,
  top: i32,
): void {
  for (let r = rows; r < 8; r++) store<f64>(sums + ((<usize>r) << 3), 0);
  for (let c = 0; c < G; c++) {
    const k = low + c;
    const h = hessian + <usize>k * row;
    const curvature = load<f64>(h + ((<usize>k) << 3));
    let changed = false;
    for (let r = 0; r < rows; r++) {
      const step = <f64>load<f32>(scale + ((<usize>(r * groupsOfRow)) << 2));
      const p = code + <usize>(r * K + k);
      const before = <f64>load<i8>(p);
      const q = roundCode(before + load<f64>(at8(g, k, r)) / (curvature * step), top);
      store<f64>(sums + ((<usize>r) << 3), (q - before) * step);
      if (q != before) {
        changed = true;
        store<i8>(p, <i8>q);
      }
    }
    if (!changed) continue;
    subtractScaled(at8(e, k, 0), sums, f64x2.splat(1));
    for (let r = 0; r < rows; r++) {
      store<f64>(at8(moved, c, r), load<f64>(at8(moved, c, r)) + load<f64>(sums + ((<usize>r) << 3)));
    }
    for (let other = low; other < low + G; other++) {
      subtractScaled(at8(g, other, 0), sums, v128.load64_splat(h + ((<usize>other) << 3)));
    }
  }
}

export function refine_codes_f32(
  w: usize,
  hessian: usize,
  scales: usize,
  lows: usize,
  quanta: usize,
  codes: usize,
  errors: usize,
  gradients: usize,
  N: i32,
  K: i32,
  stride: i32,
  G: i32,
  top: i32,
  type: i32,
  passes: i32,
  begin: i32,
  end: i32,
  scratch: usize,
): void {
  const row = (<usize>stride) << 3;
  const groupsOfRow = K / G;
  const sums = scratch,
    moved = scratch + 128,
    q8 = moved + ((<usize>G) << 6),
    hq = q8 + ((<usize>G) << 6);
  // Codes are u - 8, and scales multiply u, where there are minima.
  const offset: f64 = lows == 0 ? 0 : 8;
  for (let panel = begin; panel < end; panel++) {
    const n = panel << 3;
    const rows = min(N - n, 8);
    const e = errors + ((<usize>(n * K)) << 3),
      g = gradients + ((<usize>(n * K)) << 3);
    const wPanel = w + ((<usize>(n * K)) << 2);
    const codePanel = codes + <usize>(n * K);
    for (let k = 0; k < K; k++) {
      for (let r = 0; r < 8; r++) {
        let error: f64 = 0;
        if (r < rows) {
          const group = (<usize>((n + r) * groupsOfRow + k / G)) << 2;
          const code = <f64>load<i8>(codePanel + <usize>(r * K + k)) + offset;
          error = <f64>load<f32>(wPanel + ((<usize>(r * K + k)) << 2)) - <f64>load<f32>(scales + group) * code;
          if (lows != 0) error += <f64>load<f32>(lows + group);
        }
        store<f64>(at8(e, k, r), error);
      }
    }
    for (let k = 0; k < K; k += 2) projectTwo(hessian + <usize>k * row, row, e, 0, K, at8(g, k, 0));
    for (let pass = 0; pass < passes; pass++) {
      for (let low = 0; low < K; low += G) {
        const group = (<usize>(n * groupsOfRow + low / G)) << 2;
        const scale = scales + group;
        const quantum: usize = lows == 0 ? 0 : quanta + (group << 1);
        for (let c = 0; c < G; c++) {
          for (let r = 0; r < 8; r++) {
            store<f64>(at8(q8, c, r), r < rows ? <f64>load<i8>(codePanel + <usize>(r * K + low + c)) + offset : 0);
          }
        }
        refit(hessian, scale, quantum, false, e, g, moved, q8, hq, sums, rows, row, G, groupsOfRow, low, type);
        if (lows != 0) {
          for (let at = q8; at < hq; at += 16) v128.store(at, f64x2.splat(-1));
          refit(hessian, lows + group, quantum + 4, true, e, g, moved, q8, hq, sums, rows, row, G, groupsOfRow, low, type);
        }
        refineGroup(hessian, scale, codePanel, e, g, moved, sums, rows, K, row, G, groupsOfRow, low, top);
        for (let k = 0; k < K; k += 2) {
          if (k == low) k = low + G;
          if (k >= K) break;
          projectTwo(hessian + <usize>k * row + ((<usize>low) << 3), row, moved, 0, G, sums);
          subtractScaled(at8(g, k, 0), sums, f64x2.splat(1));
          subtractScaled(at8(g, k + 1, 0), sums + 64, f64x2.splat(1));
        }
      }
    }
  }
}
