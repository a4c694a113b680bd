/** Twin of `../rounding/search-lines.ts`: weights one by one, each in its lane. */

const G: i32 = 32;
let step: f32 = 0;
let minimum: f32 = 0;
let center: f32 = 0;

function code(w: f32, low: f32, inv: f32): f32 {
  return max<f32>(min<f32>(nearest<f32>((w - low) * inv), 15), 0);
}

/** What element k of a group adds: to the error on a line (0), or to a sum of the least-squares line. */
function term(w: usize, importance: usize, k: i32, slope: f32, low: f32, kind: i32): f32 {
  const value = load<f32>(w + ((<usize>k) << 2));
  const i: f32 = importance == 0 ? 1 : load<f32>(importance + ((<usize>k) << 2));
  const u = code(value, low, 1 / slope);
  if (kind == 0) {
    const line: f32 = u * slope;
    const error: f32 = value - <f32>(line + low);
    return <f32>(error * error) * i;
  }
  if (kind == 1) return i;
  const iu: f32 = i * u;
  if (kind == 2) return iu;
  if (kind == 3) return iu * u;
  return kind == 4 ? i * value : iu * value;
}

/** Element k goes to lane k mod 4; then (0 + 1) + (2 + 3). */
function sumOf(w: usize, importance: usize, slope: f32, low: f32, kind: i32): f32 {
  let total: f32 = 0,
    half: f32 = 0;
  for (let lane = 0; lane < 4; lane++) {
    let sum: f32 = 0;
    for (let k = lane; k < G; k += 4) sum += term(w, importance, k, slope, low, kind);
    if (lane == 0) total = sum;
    else if (lane == 1) total += sum;
    else if (lane == 2) half = sum;
    else half += sum;
  }
  return total + half;
}

function isStep(x: f32): bool {
  return x >= 1.1754943508222875e-38 && x < Infinity;
}

function fitLine(w: usize, importance: usize, slope: f32, low: f32): bool {
  const one = <f64>sumOf(w, importance, slope, low, 1);
  const u = <f64>sumOf(w, importance, slope, low, 2);
  const uu = <f64>sumOf(w, importance, slope, low, 3);
  const value = <f64>sumOf(w, importance, slope, low, 4);
  const product = <f64>sumOf(w, importance, slope, low, 5);
  const spread = one * uu - u * u;
  const a = (one * product - u * value) / spread;
  const b = (value - a * u) / one;
  step = <f32>(b > 0 ? product / uu : a);
  minimum = b > 0 ? 0 : <f32>b;
  center = <f32>(u / one);
  return spread > 0 && isStep(step);
}

function bestLine(w: usize, importance: usize): void {
  let least: f32 = 0,
    most: f32 = load<f32>(w);
  for (let k = 0; k < G; k++) {
    least = min<f32>(least, load<f32>(w + ((<usize>k) << 2)));
    most = max<f32>(most, load<f32>(w + ((<usize>k) << 2)));
  }
  const range: f32 = most - least;
  let bestStep: f32 = range / 15,
    bestMinimum = least,
    bestCenter: f32 = 7.5;
  if (isStep(bestStep)) {
    let error = sumOf(w, importance, bestStep, bestMinimum, 0);
    for (let c = 0; c < 27; c++) {
      const below: f32 = <f32>0.03 * <f32>(c / 5),
        above: f32 = <f32>0.03 * <f32>(c % 5);
      const from: f32 = c < 25 ? least + below * range : bestMinimum;
      const slope: f32 = c < 25 ? (range - (below + above) * range) / 15 : bestStep;
      if (!isStep(slope) || !fitLine(w, importance, slope, from)) continue;
      const left = sumOf(w, importance, step, minimum, 0);
      if (!(left < error)) continue;
      error = left;
      bestStep = step;
      bestMinimum = minimum;
      bestCenter = center;
    }
  } else {
    bestStep = 0;
    bestCenter = 0;
  }
  step = bestStep;
  minimum = bestMinimum;
  center = bestCenter;
}

export function search_lines_f32(
  w: usize,
  importance: usize,
  steps: usize,
  lows: usize,
  centers: usize,
  K: i32,
  begin: i32,
  end: i32,
): void {
  for (let group = begin * (K / G); group < end * (K / G); group++) {
    const slice: usize = importance == 0 ? 0 : importance + ((<usize>((group % (K / G)) * G)) << 2);
    bestLine(w + ((<usize>(group * G)) << 2), slice);
    store<f32>(steps + ((<usize>group) << 2), step);
    store<f32>(lows + ((<usize>group) << 2), minimum < 0 ? -minimum : 0);
    store<f32>(centers + ((<usize>group) << 2), center);
  }
}
