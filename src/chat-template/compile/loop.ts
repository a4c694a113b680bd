/** `loop` in the body of a loop: Jinja's `LoopContext`. */
import { bind } from "../values/arguments.ts";
import { iterate, sizeOf } from "../values/iterate.ts";
import { TemplateError } from "../limits.ts";
import { equals } from "../values/operators.ts";
import type { Run } from "../run.ts";
import { Callable, type Named, Tuple, Undefined, type Value } from "../values/values.ts";

/** Renders the body again over other values, for `loop(values)`. */
export type Recursion = (values: Value, depth: number) => Value;

export class Loop extends Callable {
  readonly #run: Run;
  readonly #iterator: Iterator<Value>;
  readonly #depth: number;
  #length: number | undefined;
  #index = -1;
  #before: Value | undefined;
  #current: Value | undefined;
  /** Values that were read ahead, to know of them. */
  #ahead: Value[] = [];
  #changed: Value | undefined;

  /** @param recursion undefined if the loop is not marked as recursive */
  constructor(run: Run, values: Value, recursion: Recursion | undefined, depth: number) {
    super((args, named) => {
      const [inner] = bind("loop", ["iterable"], args, named);
      if (recursion === undefined) throw new TemplateError("The loop must have the 'recursive' marker to be called recursively.");
      return recursion(inner!, depth + 1);
    });
    this.#run = run;
    this.#depth = depth;
    this.#length = sizeOf(run, values);
    this.#iterator = iterate(run, values);
  }

  /** The next value; undefined after the last. */
  next(): Value | undefined {
    const value = this.#peek(1)[0];
    if (value === undefined) return undefined;
    this.#ahead.shift();
    this.#index++;
    [this.#before, this.#current] = [this.#current, value];
    return value;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case "index":
        return BigInt(this.#index + 1);
      case "index0":
        return BigInt(this.#index);
      case "first":
        return this.#index === 0;
      case "last":
        return this.#peek(1).length === 0;
      case "length":
        return BigInt(this.length);
      case "revindex":
        return BigInt(this.length - this.#index);
      case "revindex0":
        return BigInt(this.length - this.#index - 1);
      case "depth":
        return BigInt(this.#depth + 1);
      case "depth0":
        return BigInt(this.#depth);
      case "previtem":
        return this.#index === 0 ? new Undefined("there is no previous item") : this.#before;
      case "nextitem":
        return this.#peek(1).length === 0 ? new Undefined("there is no next item") : this.#ahead[0];
      case "cycle":
        return new Callable((args, named) => this.#cycle(args, named));
      case "changed":
        return new Callable((args, named) => this.#hasChanged(args, named));
      default:
        return undefined;
    }
  }

  override text(): string {
    return `<LoopContext ${this.#index + 1}/${this.length}>`;
  }

  get length(): number {
    this.#length ??= this.#index + 1 + this.#peek(Infinity).length;
    return this.#length;
  }

  /** Reads ahead until so many values are known, or all. */
  #peek(count: number): readonly Value[] {
    while (this.#ahead.length < count) {
      const step = this.#iterator.next();
      if (step.done) break;
      if (this.#ahead.length > 0) this.#run.limits.elements(1);
      this.#ahead.push(step.value);
    }
    return this.#ahead;
  }

  #cycle(args: readonly Value[], named: Named): Value {
    if (named.size > 0) throw new TemplateError("cycle: got arguments with names, need some without");
    if (args.length === 0) throw new TemplateError("no items for cycling given");
    return args[this.#index % args.length]!;
  }

  #hasChanged(args: readonly Value[], named: Named): boolean {
    if (named.size > 0) throw new TemplateError("changed: got arguments with names, need some without");
    const values = new Tuple(args);
    if (this.#changed !== undefined && equals(this.#run, this.#changed, values)) return false;
    this.#changed = values;
    return true;
  }
}
