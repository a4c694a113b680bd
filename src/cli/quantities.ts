/** Quantities as they are written for a person. */

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `93.8 MiB` */
export function formatBytes(bytes: number): string {
  let unit = 0;
  for (; bytes >= 1024 && unit < BINARY_UNITS.length - 1; unit++) bytes /= 1024;
  return `${unit === 0 ? bytes : bytes.toFixed(bytes < 9.95 ? 2 : 1)} ${BINARY_UNITS[unit]}`;
}

/** `134.5 M` */
export function formatCount(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)} B`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} M`;
  return count >= 1e4 ? `${(count / 1e3).toFixed(1)} k` : `${count}`;
}

const two = (value: number) => `${value}`.padStart(2, "0");

/** `0.4 ms`, `840 ms`, `1.25 s`, `41.2 s`, `2 min 05 s`, `1 h 02 min` */
export function formatDuration(seconds: number): string {
  if (seconds < 0.9995) return `${(1000 * seconds).toFixed(seconds < 0.00995 ? 1 : 0)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
}

/**
 * Three significant digits without an exponent where that stays short: `0.0123`, `31.6`, `3385`, `1.2e-7`.
 */
export function formatSignificant(value: number, digits = 3): string {
  if (value === 0 || !Number.isFinite(value)) return `${value}`;
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e7) return value.toExponential(digits - 1);
  // 999.6 rounds up to a fourth digit, which toPrecision would write as 1.00e+3.
  return Number(size.toPrecision(digits)) >= 10 ** digits ? value.toFixed(0) : value.toPrecision(digits);
}
