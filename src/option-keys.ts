/**
 * Which options there are. An option that nobody reads is most often a slip of the pen, or another library's
 * word for it; taken without a word, it would leave its writer with an answer to another question.
 */
import leven, { closestMatch } from "leven";
import { OptionError } from "./errors.ts";
import { shown } from "./need.ts";

/** Names of options, for `checkOptions`. */
export type OptionKeys = ReadonlySet<string>;

/** The names of a set of options. The compiler sees to it that each is here. */
export function optionKeys<T extends object>(keys: Readonly<Record<keyof T, 0>>): OptionKeys {
  return new Set(Object.keys(keys));
}

/**
 * @param known the sets of options a function takes, together
 * @throws OptionError if `options` is no object, or has a key of none of the sets, where it names the nearest
 *   one; for a signal or a callback that is none, which would be ignored as quietly
 */
export function checkOptions(options: unknown, ...known: readonly OptionKeys[]): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new OptionError(`options: got ${Array.isArray(options) ? "an array" : shown(options)}, need an object`);
  const names = [...new Set(known.flatMap((keys) => Array.from(keys)))];
  const unknown = Object.keys(options).find((key) => !names.includes(key));
  if (unknown === undefined) return checkListeners(options as Record<string, unknown>);
  const nearest = nearestName(unknown, names);
  const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  throw new OptionError(`options: got ${shown(unknown)}, need one of ${names.toSorted().join(", ")}${hint}`);
}

function checkListeners(options: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (key === "signal" && typeof (value as Partial<AbortSignal> | null)?.aborted !== "boolean")
      throw new OptionError(`signal: got ${shown(value)}, need an AbortSignal`);
    if (/^on[A-Z]/.test(key) && typeof value !== "function")
      throw new OptionError(`${key}: got ${shown(value)}, need a function`);
  }
}

/** The options of one set among those of several. */
export function withOptionKeys<T extends object>(options: T, keys: OptionKeys): T {
  return Object.fromEntries(Object.entries(options).filter(([key]) => keys.has(key))) as T;
}

/**
 * The name that is meant by another spelling: `max_tokens`, `topk`, `nThreads`; half of it has to be right.
 */
export function nearestName(written: string, names: readonly string[]): string | undefined {
  const bySpelling = new Map(names.map((name) => [plain(name), name]));
  const spelling = plain(written);
  const nearest = closestMatch(spelling, [...bySpelling.keys()]);
  if (nearest === undefined || 2 * leven(spelling, nearest) > Math.max(spelling.length, nearest.length)) return undefined;
  return bySpelling.get(nearest);
}

const plain = (name: string) => name.toLowerCase().replaceAll(/[_-]/g, "");
