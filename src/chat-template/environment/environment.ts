/** Filters, tests and functions as transformers sets them up (`utils/chat_template_utils.py`). */
import { bind, needWhole } from "../values/arguments.ts";
import { dictFromKeys, method } from "../values/attributes.ts";
import type { Filter } from "./filter.ts";
import { listOf, iterate } from "../values/iterate.ts";
import { listFilters } from "./list-filters.ts";
import { NotCarriedOut, TemplateError } from "../limits.ts";
import { text } from "../values/print.ts";
import type { Run } from "../run.ts";
import { strftime } from "../formats/strftime.ts";
import { applyTest, NAME_TESTS, TESTS } from "./tests.ts";
import { TEXT_FILTERS } from "./text-filters.ts";
import { Callable, Dict, type Named, Namespace, PythonObject, Range, stringOf, typeName, type Value } from "../values/values.ts";

/** Filters of Jinja that are not carried out: by chance, for debugging, or for web pages. */
const OTHER_FILTERS: ReadonlySet<string> = new Set(
  ["filesizeformat", "pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr"],
); // prettier-ignore
/** Elements of one `range`, as Jinja's sandbox has it. */
const MOST_RANGE = 100_000;

const FILTERS: ReadonlyMap<string, Filter> = new Map([
  ...TEXT_FILTERS,
  ...listFilters({ filter: applyFilter, test: testByName }),
]);

/** Whether Jinja has a filter or a test of this name, and whether it is carried out. */
export function known(kind: "filter" | "test", name: string): "yes" | "no" | "refused" {
  if (kind === "test") return TESTS.has(name) || NAME_TESTS.has(name) ? "yes" : "no";
  return FILTERS.has(name) ? "yes" : OTHER_FILTERS.has(name) ? "refused" : "no";
}

export function applyFilter(run: Run, name: string, value: Value, args: readonly Value[], named: Named): Value {
  run.limits.charge(2);
  const found = FILTERS.get(name);
  if (found === undefined) {
    if (OTHER_FILTERS.has(name)) throw new NotCarriedOut(`the filter ${name}`);
    throw new TemplateError(`No filter named '${name}'.`);
  }
  if (found.parameters === undefined) return found.run(run, value, args, named);
  return found.run(run, value, bind(`the filter ${name}`, found.parameters, args, named));
}

export function testByName(run: Run, name: string, value: Value, args: readonly Value[], named: Named): boolean {
  if (NAME_TESTS.has(name)) {
    bind(name, [], args, named);
    return known(name as "filter" | "test", stringOf(value) ?? "") !== "no";
  }
  const found = TESTS.get(name);
  if (found === undefined) throw new TemplateError(`No test named '${name}'.`);
  return applyTest(run, found, name, value, args, named);
}

/** Functions that every template can call. */
export function functions(run: Run, now: () => Date): ReadonlyMap<string, Value> {
  return new Map<string, Value>([
    ["range", new Callable((args, named) => range(args, named))],
    ["dict", new Callable((args, named) => dict(run, args, named), undefined, { fromkeys: dictFromKeys(run) })],
    ["namespace", new Callable((args, named) => namespace(run, args, named))],
    ["cycler", new Callable((args, named) => new Cycler(args, named))],
    ["joiner", new Callable((args, named) => joiner(run, args, named))],
    ["lipsum", method("lipsum", [], () => refuse("lipsum, which is random"))],
    ["raise_exception", new Callable((args, named) => raise(run, args, named))],
    ["strftime_now", new Callable((args, named) => {
      const format = stringOf(bind("strftime_now", ["format"], args, named)[0]);
      if (format === undefined) throw new TemplateError("strftime_now: got no string, need a format");
      run.limits.charge(format.length * 8);
      return strftime(now(), format);
    })],
  ]); // prettier-ignore
}

function refuse(what: string): never {
  throw new NotCarriedOut(what);
}

function raise(run: Run, args: readonly Value[], named: Named): never {
  throw new TemplateError(text(run, bind("raise_exception", ["message"], args, named)[0]!));
}

function range(args: readonly Value[], named: Named): Range {
  const given = bind("range", ["start", "stop?", "step?"], args, named, false);
  const whole = given.map((one) => (one === undefined ? undefined : needWhole(one, "range")));
  const [start, stop, step = 1] = whole[1] === undefined ? [0, whole[0]!] : [whole[0]!, whole[1], whole[2]];
  if (step === 0) throw new TemplateError("range() arg 3 must not be zero");
  const numbers = new Range(BigInt(start), BigInt(stop), BigInt(step));
  if (numbers.length > MOST_RANGE) throw new TemplateError(`range: got ${numbers.length} numbers, need at most ${MOST_RANGE}`);
  return numbers;
}

function dict(run: Run, args: readonly Value[], named: Named): Dict {
  if (args.length > 1) throw new TemplateError(`dict: got ${args.length} arguments, need at most 1`);
  const [from] = args;
  const entries: (readonly [Value, Value])[] = [];
  if (from instanceof Dict) entries.push(...from.entries());
  else if (from instanceof Namespace || from instanceof Callable)
    throw new TemplateError(`'${typeName(from)}' object is not iterable`);
  else if (from !== undefined) {
    const iterator = iterate(run, from);
    for (let step = iterator.next(); !step.done; step = iterator.next()) {
      const pair = listOf(run, step.value);
      if (pair.length !== 2) throw new TemplateError(`dict: got an element of length ${pair.length}, need 2`);
      entries.push([pair[0]!, pair[1]!]);
    }
  }
  run.limits.elements(entries.length + named.size);
  return Dict.of([...entries, ...named]);
}

function namespace(run: Run, args: readonly Value[], named: Named): Namespace {
  const values = new Namespace();
  for (const [name, value] of dict(run, args, named).entries()) {
    if (typeof name !== "string") throw new NotCarriedOut("a namespace with a name that is no string");
    values.set(name, value);
  }
  return values;
}

/** Values in turn. */
class Cycler extends PythonObject {
  readonly type = "Cycler";
  readonly #items: readonly Value[];
  #at = 0;

  constructor(items: readonly Value[], named: Named) {
    super();
    if (named.size > 0 || items.length === 0) throw new TemplateError("cycler: got no items, need at least one");
    this.#items = items;
  }

  override attribute(name: string): Value | undefined {
    if (name === "current") return this.#items[this.#at]!;
    if (name === "reset") return method(name, [], () => this.#turn(0, null));
    if (name === "next") return method(name, [], () => this.#turn((this.#at + 1) % this.#items.length, this.#items[this.#at]!));
    if (name === "items" || name === "pos") throw new NotCarriedOut(`the attribute ${name} of a cycler`);
    return undefined;
  }

  #turn(at: number, result: Value): Value {
    this.#at = at;
    return result;
  }
}

/** A function that gives nothing the first time, then the separator. */
function joiner(run: Run, args: readonly Value[], named: Named): Callable {
  const [separator = ", "] = bind("joiner", ["sep?"], args, named);
  let used = false;
  return method("joiner", [], () => {
    if (used) return separator;
    used = true;
    run.limits.charge(1);
    return "";
  });
}
