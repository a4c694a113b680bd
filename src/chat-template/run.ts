/** One rendering: what it was given, what it has written, what it may still take. */
import { Limits, TemplateError } from "./limits.ts";
import type { Value } from "./values/values.ts";

export class Run {
  readonly limits = new Limits();
  /** What the template was given, over the functions of its environment. */
  readonly given: ReadonlyMap<string, Value>;
  /** What it set outside of loops and macros; its blocks see that. */
  readonly assigned = new Map<string, Value>();
  /** Values that are being printed, since a namespace can have itself in it. */
  readonly printing = new Set<Value>();
  /** What is written, of the whole or of a part that is captured. */
  out = "";

  /** @param given made from the run, since functions count their work in it */
  constructor(given: (run: Run) => ReadonlyMap<string, Value>) {
    this.given = given(this);
  }

  lookup(name: string): Value | undefined {
    return this.assigned.has(name) ? this.assigned.get(name) : this.given.get(name);
  }

  write(text: string): void {
    this.limits.joined(this.out.length + text.length);
    this.out += text;
  }

  /** What a part of the template writes, apart from the rest. */
  capture(body: () => void): string {
    const before = this.out;
    this.out = "";
    try {
      body();
      return this.out;
    } finally {
      this.out = before;
    }
  }
}

/** Variables of a function that runs. */
export class Activation {
  readonly run: Run;
  readonly outer: Activation | undefined;
  /** Undefined where a variable has no value. */
  readonly slots: (Value | undefined)[] = [];

  constructor(run: Run, outer: Activation | undefined) {
    [this.run, this.outer] = [run, outer];
  }

  /** @param levels functions between this one and that which has the variable */
  up(levels: number): Activation {
    if (levels === 0) return this;
    if (this.outer === undefined) throw new TemplateError("got a variable of no function, need one");
    return this.outer.up(levels - 1);
  }
}
