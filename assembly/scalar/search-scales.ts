/** Twin of `../search-scales.ts`. */
import { lowestCode, roundCode } from "./code-grid";
import { storableScale } from "../rounding/storable-scale";

function code(w: f32, inv: f32, top: i32): f32 {
  return <f32>roundCode(<f64>(w * inv), top);
}

/** Element k of the group goes to lane k mod 8; lanes l and l + 4 are added, then (0 + 1) + (2 + 3). */
function sumOfLanes(w: usize, importance: usize, G: i32, scale: f32, top: i32, kind: i32): f32 {
  const inv: f32 = 1 / scale;
  const lanes = kind == 0 ? 8 : 4;
  let total: f32 = 0,
    half: f32 = 0;
  for (let lane = 0; lane < 4; lane++) {
    let column: f32 = 0;
    for (let part = lane; part < lanes; part += 4) {
      let sum: f32 = 0;
      for (let k = part; k < G; k += lanes) {
        const value = load<f32>(w + ((<usize>k) << 2));
        const weight: f32 = importance == 0 ? 1 : load<f32>(importance + ((<usize>k) << 2));
        const q = code(value, inv, top);
        const error: f32 = value - q * scale;
        if (kind == 0) sum += error * error * weight;
        else sum += q * weight * (kind == 1 ? value : q);
      }
      column = part == lane ? sum : column + sum;
    }
    if (lane == 0) total = column;
    else if (lane == 1) total += column;
    else if (lane == 2) half = column;
    else half += column;
  }
  return total + half;
}

function usable(scale: f32): bool {
  return abs<f32>(scale) >= 1.1754943508222875e-38 && abs<f32>(scale) < Infinity;
}

export function bestScale(w: usize, importance: usize, G: i32, top: i32, type: i32): f32 {
  let absmax: f32 = 0;
  for (let k = 0; k < G; k++) absmax = max<f32>(absmax, abs<f32>(load<f32>(w + ((<usize>k) << 2))));
  let best: f32 = 1,
    least: f32 = Infinity,
    divisor: f32 = <f32>top;
  const twoSigns = lowestCode(top) != -top;
  for (let c = 0; c < 66; c++) {
    const magnitude = storableScale(absmax / divisor, type);
    if (c & 1) divisor = c == 1 ? <f32>(top + 1) * <f32>(twoSigns ? 0.8 : 0.6) : divisor * <f32>1.04;
    if (!usable(magnitude) || (c & 1 && !twoSigns)) continue;
    const scale = c & 1 ? -magnitude : magnitude;
    const error = sumOfLanes(w, importance, G, scale, top, 0);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  for (let c = 0; c < 2; c++) {
    const squares = sumOfLanes(w, importance, G, best, top, 2);
    const refit: f32 = squares > 0 ? sumOfLanes(w, importance, G, best, top, 1) / squares : 0;
    const scale = storableScale(refit, type);
    if (!usable(scale)) break;
    const error = sumOfLanes(w, importance, G, scale, top, 0);
    if (!(error < least)) break;
    least = error;
    best = scale;
  }
  return best;
}

export function search_scales_f32(
  w: usize,
  importance: usize,
  scales: usize,
  K: i32,
  G: i32,
  top: i32,
  type: i32,
  begin: i32,
  end: i32,
): void {
  for (let n = begin; n < end; n++) {
    for (let g = 0; g < K / G; g++) {
      const at = ((<usize>(n * K + g * G)) << 2) + w;
      const slice: usize = importance == 0 ? 0 : importance + ((<usize>(g * G)) << 2);
      store<f32>(scales + ((<usize>(n * (K / G) + g)) << 2), bestScale(at, slice, G, top, type));
    }
  }
}
