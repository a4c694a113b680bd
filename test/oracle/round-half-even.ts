/** Rounding to the nearest integer, ties to even, from its definition. */
export function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const fraction = x - below;
  if (fraction === 0.5) return below % 2 === 0 ? below : below + 1;
  return fraction < 0.5 ? below : below + 1;
}
