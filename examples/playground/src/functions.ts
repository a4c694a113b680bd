/** Functions a model may call: small ones, which the page computes itself. */

export interface DemoFunction {
  readonly name: string;
  /** For the model. */
  readonly description: string;
  /** A JSON schema of its arguments. */
  readonly parameters: { readonly properties: Readonly<Record<string, object>>; readonly [key: string]: unknown };
  /** Questions and the arguments that answer them, for models that know no functions by themselves. */
  readonly examples: readonly (readonly [question: string, given: Readonly<Record<string, unknown>>])[];
  /**
   * The result, as a sentence of few words.
   *
   * @param given what the model wrote: of the schema only where it was held to it
   */
  call(given: Readonly<Record<string, unknown>>): string;
}

/** A question to begin with, and the function that answers it. */
export interface FunctionQuestion {
  readonly text: string;
  readonly name: string;
}

type Operation = (a: number, b: number) => number;
const OPERATIONS: Readonly<Record<string, Operation>> = {
  plus: (a, b) => a + b,
  minus: (a, b) => a - b,
  times: (a, b) => a * b,
  "divided by": (a, b) => a / b,
};
const ZONES: Readonly<Record<string, string>> = {
  London: "Europe/London",
  "New York": "America/New_York",
  Tokyo: "Asia/Tokyo",
  Sydney: "Australia/Sydney",
};
const METRES: Readonly<Record<string, number>> = { Everest: 8849, Kilimanjaro: 5895, "Mont Blanc": 4806, Fuji: 3776 };

const object = (properties: Readonly<Record<string, object>>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
/** A value of a table, whose names nothing but the table has. */
const of = <T>(table: Readonly<Record<string, T>>, key: unknown): T | undefined =>
  typeof key === "string" && Object.hasOwn(table, key) ? table[key] : undefined;
const unknownOne = (what: string, got: unknown, table: object) =>
  `error: ${what}: got ${JSON.stringify(got)}, need one of ${Object.keys(table).join(", ")}`;

export const FUNCTIONS: readonly DemoFunction[] = [
  {
    name: "calculate",
    description: "Computes with two numbers",
    parameters: object({ a: { type: "number" }, operation: { enum: Object.keys(OPERATIONS) }, b: { type: "number" } }),
    examples: [
      ["What is 3 plus 4?", { a: 3, operation: "plus", b: 4 }],
      ["How much is 100 minus 8?", { a: 100, operation: "minus", b: 8 }],
    ],
    call({ a, operation, b }) {
      const compute = of(OPERATIONS, operation);
      if (!compute) return unknownOne("operation", operation, OPERATIONS);
      if (typeof a !== "number" || typeof b !== "number") return `error: got ${JSON.stringify([a, b])}, need two numbers`;
      return `${a} ${operation as string} ${b} = ${Number(compute(a, b).toPrecision(12))}`;
    },
  },
  {
    name: "time",
    description: "Tells the time of day in a city",
    parameters: object({ city: { enum: Object.keys(ZONES) } }),
    examples: [
      ["What time is it in Sydney?", { city: "Sydney" }],
      ["How late is it in London?", { city: "London" }],
    ],
    call({ city }) {
      const timeZone = of(ZONES, city);
      if (timeZone === undefined) return unknownOne("city", city, ZONES);
      return `time in ${city as string} = ${new Date().toLocaleTimeString("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" })}`;
    },
  },
  {
    name: "mountain_height",
    description: "Looks up how high a mountain is",
    parameters: object({ mountain: { enum: Object.keys(METRES) } }),
    examples: [
      ["How high is Everest?", { mountain: "Everest" }],
      ["What is the height of Fuji?", { mountain: "Fuji" }],
    ],
    call({ mountain }) {
      const metres = of(METRES, mountain);
      if (metres === undefined) return unknownOne("mountain", mountain, METRES);
      return `height of ${mountain as string} = ${metres} metres`;
    },
  },
];

export const QUESTIONS: readonly FunctionQuestion[] = [
  { text: "What is 17 times 23?", name: "calculate" },
  { text: "How much is 144 divided by 12?", name: "calculate" },
  { text: "What time is it in Tokyo?", name: "time" },
  { text: "How high is Mont Blanc?", name: "mountain_height" },
];
