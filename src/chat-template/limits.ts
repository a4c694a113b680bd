/** What one prompt may take, and the errors a template ends with. */

/** What Python would raise while it renders, `raise_exception` included, or a limit of this package. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/** What the template does, Python carries out and this package does not. */
export class NotCarriedOut extends Error {
  override readonly name = "NotCarriedOut";
}

/** A template that Jinja itself does not accept. */
export class TemplateSyntaxError extends Error {
  override readonly name = "TemplateSyntaxError";
}

/** Characters of a template. The longest of a published model has some 30,000. */
export const MOST_SOURCE = 1 << 20;
/** Tags inside tags, as deep as Python's compiler goes. */
export const MOST_TAGS = 90;
/** Brackets inside brackets; Jinja's own parser runs out of stack before. */
export const MOST_BRACKETS = 100;
/** Operators on operators: the depth of an expression's tree. */
export const MOST_OPERATORS = 400;

/** Steps of one prompt: 0.1 to 0.2 s. */
const MOST_STEPS = 2_000_000;
/**
 * Further steps for each value and each character of the messages, since some templates look at all messages
 * for each of them: a thousand messages take 3.4 million steps at most (measured, of 70 published templates).
 */
const STEPS_FOR = { value: 2000, character: 2 };
/** Characters of one string. A context of a million tokens has half of it. */
const MOST_TEXT = 1 << 23;
/** Elements of one list. */
const MOST_ELEMENTS = 1 << 17;
/** A value inside values, for printing and comparing. */
const MOST_VALUE_DEPTH = 100;
/** Calls of macros and recursive loops inside each other, in levels of what they evaluate. */
const MOST_CALL_DEPTH = 2000;
/** Bits of an integer. Python refuses to print more than 4300 digits. */
const MOST_BITS = 14_283;

/** Counts work. A step is about one node of the template, sixteen characters or a third of an element. */
export class Limits {
  #steps = 0;
  #most = MOST_STEPS;
  #values = 0;
  #calls = 0;

  charge(steps: number): void {
    this.#steps += steps;
    if (!(this.#steps <= this.#most)) throw new TemplateError(`got more than ${this.#most} steps, need at most that`);
  }

  /** Lets the template work on a value it is given. */
  allow(characters: number): void {
    this.#most += STEPS_FOR.value + STEPS_FOR.character * characters;
  }

  /** To be asked before a string of so many characters is made. */
  text(length: number): void {
    if (!(length <= MOST_TEXT)) throw new TemplateError(`got a string of ${length} characters, need at most ${MOST_TEXT}`);
    this.charge(1 + length / 16);
  }

  /** Two strings joined stay two in memory, so only the length counts. */
  joined(length: number): void {
    if (length > MOST_TEXT) throw new TemplateError(`got a string of ${length} characters, need at most ${MOST_TEXT}`);
    this.charge(1);
  }

  /** To be asked before a list of so many elements is made. */
  elements(length: number): void {
    if (!(length <= MOST_ELEMENTS)) throw new TemplateError(`got a list of ${length}, need at most ${MOST_ELEMENTS}`);
    this.charge(1 + length * 3);
  }

  integer(value: bigint): bigint {
    if (value > SAFE || value < -SAFE) {
      const bits = value.toString(16).length * 4;
      this.bits(bits);
      // Division and decimal digits take the square of the length.
      this.charge(bits / 8);
    }
    return value;
  }

  /** To be asked before an integer of so many bits is made. */
  bits(bits: number): void {
    if (!(bits <= MOST_BITS)) throw new TemplateError(`got an integer of ${bits} bits, need at most ${MOST_BITS}`);
  }

  /** Looks into a value: printing, comparing. */
  inside<T>(look: () => T): T {
    this.charge(1);
    if (++this.#values > MOST_VALUE_DEPTH)
      throw new TemplateError(`got a value nested more than ${MOST_VALUE_DEPTH} deep, need at most that`);
    try {
      return look();
    } finally {
      this.#values--;
    }
  }

  /** @param depth levels of what is evaluated in the call */
  call<T>(depth: number, body: () => T): T {
    this.#calls += depth;
    if (this.#calls > MOST_CALL_DEPTH)
      throw new TemplateError("got calls nested too deeply, need fewer: maximum recursion depth exceeded");
    try {
      return body();
    } finally {
      this.#calls -= depth;
    }
  }
}

const SAFE = 1n << 64n;
