/**
 * llama-bench's way of saying which tests to run: lists, ranges, options given twice, and the cross product
 * of them all.
 */
import { InvalidArgumentError } from "commander";
import type { SpeedTest } from "../../evaluation/speed.ts";
import type { LoadOptions } from "../../model/load-options.ts";
import type { CachePrecision } from "../../model/precision.ts";
import type { WordParser } from "../options/option-values.ts";

/** A longer list is a slip: every element is at least one run of a model. */
const MOST_VALUES = 10_000;

/**
 * A repeatable option of integers: `512`, `128,256`, `1-8` (steps of 1), `128-1024+128`, `1-16*2`, or several
 * of these with commas.
 *
 * @returns a parser for commander; each use of the option adds to the values before
 */
export function integerRanges(least: number, greatest = Number.MAX_SAFE_INTEGER) {
  return (text: string, earlier: readonly number[] = []): number[] => {
    const values = text.split(",").flatMap(integerRange);
    const wrong = values.find((value) => !(value >= least && value <= greatest));
    if (wrong !== undefined) {
      const domain = greatest === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${greatest}`;
      throw new InvalidArgumentError(`Expected integers ${domain}, got ${wrong}.`);
    }
    return [...earlier, ...values];
  };
}

function integerRange(text: string): number[] {
  const match = /^(-?\d+)(?:-(\d+)(?:([+*])(\d+))?)?$/.exec(text);
  if (!match) throw new InvalidArgumentError("Expected integers and ranges with commas between, such as 1,2 or 1-8 or 1-8*2.");
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  const step = Number(match[4] ?? 1);
  const values: number[] = [];
  for (let value = first; value <= last;) {
    values.push(value);
    const next = match[3] === "*" ? value * step : value + step;
    if (next <= value || values.length > MOST_VALUES) throw new InvalidArgumentError(`The range ${text} does not end.`);
    value = next;
  }
  if (values.length === 0) throw new InvalidArgumentError(`The range ${text} is empty.`);
  return values;
}

/** A repeatable option whose values may also be given in one list. */
export function wordList<T extends string>(parse: (word: string) => T) {
  const parseList = (text: string, earlier: readonly T[] = []): T[] => [
    ...earlier,
    ...text.split(",").map((word) => parse(word)),
  ];
  return Object.assign(parseList, { choices: (parse as Partial<WordParser<T>>).choices });
}

/** `512,128`: a prompt and a generation in one test. */
export function promptAndGeneration(text: string, earlier: readonly PromptAndGeneration[] = []): PromptAndGeneration[] {
  const match = /^(\d+),(\d+)$/.exec(text);
  if (!match) throw new InvalidArgumentError("Expected two integers, such as 512,128.");
  return [...earlier, [Number(match[1]), Number(match[2])]];
}

export type PromptAndGeneration = readonly [promptTokens: number, generatedTokens: number];

export interface BenchFlags {
  readonly model: readonly string[];
  readonly nPrompt: readonly number[];
  readonly nGen: readonly number[];
  readonly promptGen: readonly PromptAndGeneration[];
  readonly nDepth: readonly number[];
  readonly threads: readonly (number | undefined)[];
  readonly cacheTypeK: readonly (CachePrecision | undefined)[];
  readonly cacheTypeV: readonly (CachePrecision | undefined)[];
  readonly build: readonly LoadOptions["build"][];
}

/** One loaded model, and the tests to run with it. */
export interface BenchSetup {
  readonly model: string;
  readonly cacheTypeK: CachePrecision | undefined;
  readonly cacheTypeV: CachePrecision | undefined;
  readonly threads: number | undefined;
  readonly build: LoadOptions["build"];
  readonly tests: readonly SpeedTest[];
}

/**
 * In llama-bench's order, which loads each model as few times as possible. A length of 0 drops the tests of
 * that kind.
 */
export function crossProduct(flags: BenchFlags): BenchSetup[] {
  const tests = flags.nDepth.flatMap((depth) =>
    [
      ...flags.nPrompt.map((promptTokens) => ({ promptTokens, generatedTokens: 0, depth })),
      ...flags.nGen.map((generatedTokens) => ({ promptTokens: 0, generatedTokens, depth })),
      ...flags.promptGen.map(([promptTokens, generatedTokens]) => ({ promptTokens, generatedTokens, depth })),
    ].filter(({ promptTokens, generatedTokens }) => promptTokens + generatedTokens > 0),
  );
  return flags.model.flatMap((model) =>
    flags.cacheTypeK.flatMap((cacheTypeK) =>
      flags.cacheTypeV.flatMap((cacheTypeV) =>
        flags.threads.flatMap((threads) =>
          flags.build.map((build) => ({ model, cacheTypeK, cacheTypeV, threads, build, tests })),
        ),
      ),
    ),
  );
}

/** `pp512`, `tg128`, `pp512+tg128`, each with ` @ d4096` behind it if there is a depth. */
export function testName({ promptTokens, generatedTokens, depth }: SpeedTest): string {
  const parts = [promptTokens > 0 && `pp${promptTokens}`, generatedTokens > 0 && `tg${generatedTokens}`].filter(Boolean);
  return `${parts.join("+")}${depth > 0 ? ` @ d${depth}` : ""}`;
}
