/** Which group of a `quantization_config` of compressed-tensors a module belongs to. */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe } from "../../json-object.ts";
import { isEmbedding } from "../../architecture/families.ts";
import { compileModulePattern } from "./module-pattern.ts";

/** A bound for the work on a hostile file: more targets than modules make no sense. */
const MAX_TARGETS = 4096;
const MAX_PATTERN_CHARACTERS = 65_536;

/**
 * The target that takes a module (`src/compressed_tensors/utils/match.py`): an exact name before patterns,
 * patterns in alphabetical order, class names last; then `ignore` overrules.
 */
export class TargetTable<Entry> {
  readonly #where: string;
  readonly #isConv1D: (moduleName: string) => boolean;
  readonly #exact = new Map<string, Entry>();
  readonly #patterns: { source: string; matches: (name: string) => boolean; entry: Entry }[] = [];
  readonly #ignored: ((name: string) => boolean)[] = [];
  readonly #found = new Map<string, Entry | undefined>();
  #count = 0;
  #characters = 0;

  constructor(where: string, isConv1D: (moduleName: string) => boolean) {
    this.#where = where;
    this.#isConv1D = isConv1D;
  }

  add(target: string, entry: Entry, where: string): void {
    this.#checkSize(target);
    if (this.#exact.has(target) || this.#patterns.some(({ source }) => source === target)) {
      throw new CheckpointError(`${where}: target ${describe(target)}: got it in two groups, need it in one`);
    }
    if (target.startsWith("re:")) {
      this.#patterns.push({ source: target, matches: compile(target, where), entry });
      this.#patterns.sort((a, b) => (a.source < b.source ? -1 : 1));
    } else if (/^[A-Z][A-Za-z0-9]*$/.test(target) && target !== "Linear" && target !== "Embedding") {
      throw new UnsupportedModelError(`${where}: target: got class ${describe(target)}, need Linear or Embedding`);
    } else this.#exact.set(target, entry);
  }

  ignore(target: string): void {
    this.#checkSize(target);
    const matches = target.startsWith("re:") ? compile(target, `${this.#where}: ignore`) : undefined;
    this.#ignored.push(matches ?? ((name) => name === target || this.#className(name) === target));
  }

  find(name: string): Entry | undefined {
    if (!this.#found.has(name)) this.#found.set(name, this.#resolve(name));
    return this.#found.get(name);
  }

  #resolve(name: string): Entry | undefined {
    if (this.#ignored.some((matches) => matches(name))) return undefined;
    const pattern = () => this.#patterns.find(({ matches }) => matches(name))?.entry;
    return this.#exact.get(name) ?? pattern() ?? this.#exact.get(this.#className(name));
  }

  /** The class of a module in transformers, as far as targets can name it. */
  #className(moduleName: string): string {
    if (this.#isConv1D(moduleName)) return "Conv1D";
    return isEmbedding(moduleName) ? "Embedding" : "Linear";
  }

  #checkSize(target: string): void {
    this.#characters += target.length;
    if (++this.#count <= MAX_TARGETS && this.#characters <= MAX_PATTERN_CHARACTERS) return;
    throw new UnsupportedModelError(
      `${this.#where}: targets: got more than ${MAX_TARGETS}, or ${MAX_PATTERN_CHARACTERS} characters of them, need at most that`,
    );
  }
}

function compile(target: string, where: string): (name: string) => boolean {
  try {
    return compileModulePattern(target.slice("re:".length));
  } catch (cause) {
    throw new UnsupportedModelError(`${where}: target ${describe(target)}: ${(cause as Error).message}`, { cause });
  }
}
