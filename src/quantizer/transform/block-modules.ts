/** Where in a block's modules the rows are that a transform changes, whether modules are fused or not. */
import type { Block, LinearInput, LinearModule } from "../../architecture/description.ts";

export function inputOf({ inputs }: Block, name: "qkv" | "o" | "down"): LinearInput {
  return inputs.find((input) => input.name === name)!;
}

/** Rows [from, to) of those looked for, which are a module's from `row` on. */
export interface RowPart {
  readonly module: LinearModule;
  readonly row: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Finds `count` rows of all modules as they are fused, the first of them `firstRow`: q, k and v are one after
 * another, whether in three modules or in one.
 */
export function partsOfRows(modules: readonly LinearModule[], firstRow: number, count: number): RowPart[] {
  const parts: RowPart[] = [];
  let begin = 0;
  for (const module of modules) {
    const [from, to] = [Math.max(firstRow, begin), Math.min(firstRow + count, begin + module.outFeatures)];
    if (from < to) parts.push({ module, row: from - begin, from: from - firstRow, to: to - firstRow });
    begin += module.outFeatures;
  }
  return parts;
}
