/**
 * Weights whose source is on a grid of 4 bits keep its codes: rounding them again would cost as much as the
 * first time, and there is no need to. In its file a group of 32 is w = a u + b, with codes u of 4 bits. What
 * folds and equalization made of it still is, if they multiplied all channels of the group alike:
 *
 *   lines    a and b by least squares over the file's codes; a group off its line is rounded anew
 *   levels   lines in whole numbers times multipliers, 8 bits each (`two-level-rows.ts`)
 *   codes    the nearest under these: the file's own, but where a step has become too coarse for them
 *
 * A whole minimum has no sign, b has. A superblock with groups above zero, and none below, is turned over:
 * w = -a u' + (b + 15 a) with u' = 15 - u, by negative multipliers. Where a superblock has groups of both
 * kinds, those above zero are rounded anew, from zero.
 */
import type { Checkpoint, ReadOptions } from "../../checkpoint/checkpoint.ts";
import { superblockOf, TWO_LEVEL_GROUP } from "../../checkpoint/quantization/two-level.ts";
import type { RowFormat } from "./quantize-weights.ts";
import { type GroupLines, nearestLines, roundLevels, roundToLevels, type TwoLevelRows } from "./two-level-rows.ts";

const G = TWO_LEVEL_GROUP;
const TOP = 15;
/** Share of a group's energy that may lie off its line: what rounding factors and products to f32 leaves. */
const OFF_LINE = 1e-10;
/** A minimum so many steps above zero is zero. */
const NO_MINIMUM = 1e-3;

/**
 * Reads the codes of a module.
 *
 * @returns u in 0..15, u8[rows, K]; undefined if its file does not have it on lines over codes of 4 bits, of
 *   groups that 32 divides
 * @throws CheckpointError if its bytes cannot be read
 */
export async function readCodes(checkpoint: Checkpoint, module: string, options?: ReadOptions): Promise<Uint8Array | undefined> {
  const form = checkpoint.keptForm(module);
  switch (form?.form) {
    case "qb4mw":
    case "qb4aw":
      break;
    case "qb4w":
    case "qb4zw":
      if (form.groupSize % G !== 0) return undefined;
      break;
    default:
      return undefined;
  }
  const [words] = (await checkpoint.readKept(module, options)).arrays as [Int32Array];
  const codes = new Uint8Array(words.length * 8);
  for (let i = 0; i < codes.length; i++) codes[i] = (words[i >> 3]! >>> (4 * (i & 7))) & TOP;
  return codes;
}

/** Rows with the codes of their source. */
export interface KeptCodeRows {
  readonly rows: TwoLevelRows;
  /** How many weights have the codes of the source. */
  readonly kept: number;
}

/** Weights of a group over its codes, w = a u + b. */
interface Line {
  readonly a: number;
  readonly b: number;
  /** The mean of the codes. */
  readonly center: number;
  /** Whether u is 15 less the file's code. */
  readonly flipped: boolean;
}

/**
 * @param weight f32[rows, K] as transforms made it
 * @param codes u8[rows, K] of the source
 * @param findLines of rows of weights: for groups that are rounded anew
 * @throws RecipeError for a multiplier that its storage cannot hold
 */
export function keepCodes(
  weight: Float32Array,
  codes: Uint8Array,
  format: RowFormat,
  findLines: (weight: Float32Array) => GroupLines = nearestLines,
): KeptCodeRows {
  const { K, scaleType } = format;
  const blockGroups = superblockOf(K) / G;
  const lines: (Line | undefined)[] = [];
  const turned: boolean[] = [];
  for (let group = 0; group * G < weight.length; group += blockGroups) {
    const fitted = Array.from({ length: blockGroups }, (_, i) => fitLine(weight, codes, group + i));
    const isTurned = fitted.some((line) => line && isAbove(line)) && !fitted.some((line) => line && isAbove(negated(line)));
    lines.push(...fitted.map((line) => (isTurned ? line && flip(line) : line && isAbove(line) ? undefined : line)));
    turned.push(...fitted.map(() => isTurned));
  }
  const rows = roundToLevels(weight, roundLevels(withOthers(weight, lines, turned, findLines), K, scaleType), format);
  const changed = lines.filter((line, group) => {
    if (!line) return true;
    if (line.a === 0) return false; // all of a group is one weight, whatever its codes
    for (let i = group * G; i < (group + 1) * G; i++) {
      if (rows.q[i]! + 8 !== (line.flipped ? TOP - codes[i]! : codes[i]!)) return true;
    }
    return false;
  });
  return { rows, kept: weight.length - changed.length * G };
}

/** The least-squares line of a group, a at least 0; undefined if its weights do not lie on it. */
function fitLine(weight: Float32Array, codes: Uint8Array, group: number): Line | undefined {
  let [sumU, sumW, sumUU, sumUW, energy] = [0, 0, 0, 0, 0];
  for (let i = group * G; i < (group + 1) * G; i++) {
    const [u, w] = [codes[i]!, weight[i]!];
    sumU += u;
    sumW += w;
    sumUU += u * u;
    sumUW += u * w;
    energy += w * w;
  }
  const spread = sumUU - (sumU * sumU) / G;
  const a = spread > 0 ? (sumUW - (sumU * sumW) / G) / spread : 0;
  const b = (sumW - a * sumU) / G;
  let off = 0;
  for (let i = group * G; i < (group + 1) * G; i++) off += (weight[i]! - (a * codes[i]! + b)) ** 2;
  if (off > OFF_LINE * energy) return undefined;
  const line = { a, b, center: sumU / G, flipped: false };
  return a < 0 ? flip(line) : line;
}

/** The same weights over 15 - u. */
function flip({ a, b, center, flipped }: Line): Line {
  return { a: -a, b: b + TOP * a, center: TOP - center, flipped: !flipped };
}

/** The negated weights over the codes that make a at least 0 again. */
function negated(line: Line): Line {
  const { a, b, center, flipped } = flip(line);
  return { a: -a, b: -b, center, flipped };
}

/** Whether all that a line reaches is above zero, by more than rounding leaves. */
function isAbove({ a, b }: Line): boolean {
  return b > NO_MINIMUM * a;
}

/** Lines as steps and lows, with found ones where there are none. */
function withOthers(
  weight: Float32Array,
  lines: readonly (Line | undefined)[],
  turned: readonly boolean[],
  findLines: (weight: Float32Array) => GroupLines,
): GroupLines {
  const found = (sign: 1 | -1): GroupLines | undefined => {
    if (!lines.some((line, group) => !line && turned[group] === sign < 0)) return undefined;
    return findLines(sign < 0 ? weight.map((value) => -value) : weight);
  };
  const [straight, over] = [found(1), found(-1)];
  const pick = (own: (line: Line) => number, other: (found: GroupLines, sign: 1 | -1, group: number) => number) =>
    Float32Array.from(lines, (line, group) => {
      if (line) return own(line);
      return turned[group] ? other(over!, -1, group) : other(straight!, 1, group);
    });
  return {
    steps: pick((line) => line.a, ({ steps }, sign, group) => sign * steps[group]!),
    lows: pick((line) => -line.b, ({ lows }, sign, group) => sign * lows[group]!),
    centers: pick((line) => line.center, ({ centers }, _, group) => centers[group]!),
  }; // prettier-ignore
}
