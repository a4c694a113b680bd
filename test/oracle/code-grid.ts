/** The grids weights round to, by what they are made of. */
import { roundHalfEven } from "./round-half-even.ts";

/** Twice the values of the codes 0..7 of E2M1 (OCP Microscaling Formats 1.0, section 5.3.3). */
export const E2M1_MAGNITUDES: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 12];

/**
 * @param top 7 or 127: integers of 4 or 8 bits; 12: twice E2M1
 * @returns the nearest code's value, the even code's where two are as near
 */
export function nearestCode(t: number, top: number): number {
  if (top !== 12) return Math.min(top, Math.max(-top - 1, roundHalfEven(t)));
  const distance = (code: number) => Math.abs(Math.abs(t) - E2M1_MAGNITUDES[code]!);
  let best = 0;
  for (let code = 1; code < 8; code++) {
    if (distance(code) < distance(best) || (distance(code) === distance(best) && code % 2 === 0)) best = code;
  }
  return Math.sign(t) * E2M1_MAGNITUDES[best]!;
}
