/** Twins of `../math.ts`: one lane of the same operations, each rounded to f32. */

export function exp(x: f32): f32 {
  let clamped: f32 = x > 89 ? 89 : x;
  clamped = clamped < -104 ? -104 : clamped;
  const magic: f32 = 12582912;
  const shifted: f32 = clamped * <f32>1.44269504 + magic;
  const n: f32 = shifted - magic;
  let r: f32 = clamped - n * <f32>0.693359375;
  r = r - n * <f32>-2.1219444e-4;

  let p: f32 = <f32>1.98756915e-4 * r + <f32>1.39819995e-3;
  p = p * r + <f32>8.33345191e-3;
  p = p * r + <f32>4.16657959e-2;
  p = p * r + <f32>1.66666655e-1;
  p = p * r + <f32>5.00000012e-1;
  p = p * (r * r) + r + 1;

  const exponent = reinterpret<i32>(shifted) - reinterpret<i32>(magic);
  const first = exponent >> 1;
  return p * powerOfTwo(first) * powerOfTwo(exponent - first);
}

export function log(x: f32): f32 {
  const e = (reinterpret<i32>(x) - 0x3f3504f3) >> 23;
  const r: f32 = reinterpret<f32>(reinterpret<i32>(x) - (e << 23)) - 1;
  const n = <f32>e;
  let p: f32 = <f32>7.0376836292e-2 * r + <f32>-1.151461031e-1;
  p = p * r + <f32>1.167699874e-1;
  p = p * r + <f32>-1.2420140846e-1;
  p = p * r + <f32>1.4249322787e-1;
  p = p * r + <f32>-1.6668057665e-1;
  p = p * r + <f32>2.0000714765e-1;
  p = p * r + <f32>-2.4999993993e-1;
  p = p * r + <f32>3.3333331174e-1;
  const z: f32 = r * r;
  p = p * (z * r);
  p = p + n * <f32>-2.1219444e-4;
  p = p - z * <f32>0.5;
  return r + p + n * <f32>0.693359375;
}

export function powerOfTwo(n: i32): f32 {
  return reinterpret<f32>((n + 127) << 23);
}

export function silu(x: f32): f32 {
  return x / (1 + exp(-x));
}
