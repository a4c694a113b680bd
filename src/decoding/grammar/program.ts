/**
 * A grammar as a program: places that read a text by an automaton, or lead to others. What cannot be finished
 * is left out, so that from every place there is a way to the end.
 */
import { OptionError } from "../../errors.ts";
import type { Grammar, Rule } from "./grammar.ts";
import { type Automaton, isEmpty } from "./regular/automaton.ts";

export type Place =
  | { readonly kind: "read"; readonly automaton: Automaton; readonly next: number }
  | { readonly kind: "split"; readonly targets: readonly number[] }
  /** Goes through a rule, then on. */
  | { readonly kind: "call"; readonly rule: Rule; start: number; readonly next: number }
  /** Goes through `body` so many times, then on. */
  | { readonly kind: "repeat"; readonly body: number; readonly min: number; readonly max: number; readonly next: number }
  /** The end of a rule, or of the body of a repetition. */
  | { readonly kind: "end" };

export interface Program {
  readonly places: readonly Place[];
  readonly start: number;
}

/** A grammar may come from a stranger. */
const MOST_PLACES = 100_000;

/**
 * @param what the grammar is called in messages
 * @throws OptionError for a grammar that no text follows, that is too large, or in which a rule begins with
 *   itself
 */
export function compileProgram(grammar: Grammar, what: string): Program {
  const rules = rulesOf(grammar);
  const finite = finishable(rules);
  if (!isFinishable(grammar, finite))
    throw new OptionError(`${what}: got one that no text follows, need one that some text does`);
  checkLeftRecursion(rules, finite, what);
  return new Compiler(finite, what).compile(grammar);
}

class Compiler {
  readonly #finite: ReadonlySet<Rule>;
  readonly #what: string;
  readonly #places: Place[] = [{ kind: "end" }];

  constructor(finite: ReadonlySet<Rule>, what: string) {
    this.#finite = finite;
    this.#what = what;
  }

  compile(grammar: Grammar): Program {
    const start = this.#before(grammar, 0);
    const starts = new Map<Rule, number>();
    // Rules are found while their callers are written: the list grows.
    for (let i = 0; i < this.#places.length; i++) {
      const place = this.#places[i]!;
      if (place.kind !== "call") continue;
      let begin = starts.get(place.rule);
      if (begin === undefined) starts.set(place.rule, (begin = this.#before(place.rule.body, 0)));
      place.start = begin;
    }
    return { places: this.#places, start };
  }

  /** The place where a part begins that goes on at `next`. */
  #before(grammar: Grammar, next: number): number {
    switch (grammar.kind) {
      case "regular":
        return this.#add({ kind: "read", automaton: grammar.automaton, next });
      case "sequence":
        return grammar.parts.reduceRight((place, part) => this.#before(part, place), next);
      case "choice": {
        const branches = grammar.branches.filter((branch) => isFinishable(branch, this.#finite));
        const targets = branches.map((branch) => this.#before(branch, next));
        return targets.length === 1 ? targets[0]! : this.#add({ kind: "split", targets });
      }
      case "repeat": {
        const { part, min, max } = grammar;
        if (max === 0 || !isFinishable(part, this.#finite)) return next;
        return this.#add({ kind: "repeat", body: this.#before(part, 0), min, max, next });
      }
      case "rule":
        return this.#add({ kind: "call", rule: grammar.rule, start: 0, next });
    }
  }

  #add(place: Place): number {
    if (this.#places.length === MOST_PLACES)
      throw new OptionError(`${this.#what}: got one of more than ${MOST_PLACES} places, need a smaller one`);
    return this.#places.push(place) - 1;
  }
}

function rulesOf(grammar: Grammar): Set<Rule> {
  const found = new Set<Rule>();
  const waiting: Grammar[] = [grammar];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (part.kind === "sequence") waiting.push(...part.parts);
    else if (part.kind === "choice") waiting.push(...part.branches);
    else if (part.kind === "repeat") waiting.push(part.part);
    else if (part.kind === "rule" && !found.has(part.rule)) {
      found.add(part.rule);
      waiting.push(part.rule.body);
    }
  }
  return found;
}

/** Rules that some text follows: those that do not need themselves to end. */
function finishable(rules: ReadonlySet<Rule>): Set<Rule> {
  return least(rules, (rule, found) => isFinishable(rule.body, found));
}

function isFinishable(grammar: Grammar, finite: ReadonlySet<Rule>): boolean {
  switch (grammar.kind) {
    case "regular":
      return !isEmpty(grammar.automaton);
    case "sequence":
      return grammar.parts.every((part) => isFinishable(part, finite));
    case "choice":
      return grammar.branches.some((branch) => isFinishable(branch, finite));
    case "repeat":
      return grammar.min === 0 || isFinishable(grammar.part, finite);
    case "rule":
      return finite.has(grammar.rule);
  }
}

/** Grows a set of rules until nothing more belongs to it. */
function least(rules: ReadonlySet<Rule>, belongs: (rule: Rule, found: ReadonlySet<Rule>) => boolean): Set<Rule> {
  const found = new Set<Rule>();
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const rule of rules) if (!found.has(rule) && belongs(rule, found)) found.add(rule);
  }
  return found;
}

/** A rule that begins with itself would be gone through for ever without a byte being read. */
function checkLeftRecursion(rules: ReadonlySet<Rule>, finite: ReadonlySet<Rule>, what: string): void {
  const mayBeEmpty = least(rules, (rule, found) => isNullable(rule.body, found));
  const begins = new Map(Array.from(rules, (rule) => [rule, [...firstRules(rule.body, mayBeEmpty, finite)]]));
  const done = new Set<Rule>();
  const open = new Set<Rule>();
  const visit = (rule: Rule) => {
    if (open.has(rule)) {
      throw new OptionError(`${what}: rule ${rule.name}: got one that begins with itself, need it to begin with something else`);
    }
    if (done.has(rule)) return;
    open.add(rule);
    for (const first of begins.get(rule)!) visit(first);
    open.delete(rule);
    done.add(rule);
  };
  for (const rule of rules) visit(rule);
}

function isNullable(grammar: Grammar, empty: ReadonlySet<Rule>): boolean {
  switch (grammar.kind) {
    case "regular":
      return grammar.automaton.accepts[0] === 1;
    case "sequence":
      return grammar.parts.every((part) => isNullable(part, empty));
    case "choice":
      return grammar.branches.some((branch) => isNullable(branch, empty));
    case "repeat":
      return grammar.min === 0 || isNullable(grammar.part, empty);
    case "rule":
      return empty.has(grammar.rule);
  }
}

/** Rules that may be gone into before a byte is read. */
function* firstRules(grammar: Grammar, empty: ReadonlySet<Rule>, finite: ReadonlySet<Rule>): Generator<Rule, void, void> {
  switch (grammar.kind) {
    case "regular":
      return;
    case "sequence":
      for (const part of grammar.parts) {
        yield* firstRules(part, empty, finite);
        if (!isNullable(part, empty)) return;
      }
      return;
    case "choice":
      for (const branch of grammar.branches) if (isFinishable(branch, finite)) yield* firstRules(branch, empty, finite);
      return;
    case "repeat":
      yield* firstRules(grammar.part, empty, finite);
      return;
    case "rule":
      yield grammar.rule;
  }
}
