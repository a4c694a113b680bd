// Twin of ../code-grid.ts: octave by octave.

export function lowestCode(top: i32): i32 {
  return top == 12 ? -12 : -top - 1;
}

/** Between the codes around a magnitude: octaves of E2M1 have steps of their own. */
export function stepOf(magnitude: f64, top: i32): f64 {
  if (top != 12 || magnitude < 4) return 1;
  return magnitude < 8 ? 2 : 4;
}

export function roundCode(t: f64, top: i32): f64 {
  const step = stepOf(abs<f64>(t), top);
  return max<f64>(min<f64>(nearest<f64>(t / step) * step, <f64>top), <f64>lowestCode(top));
}
