/**
 * Chat templates: messages to a prompt, by the Jinja template of the model (`chat_template` of
 * tokenizer_config.json).
 *
 * A template is a program from a model file. `@huggingface/jinja` interprets it (no `eval`) over values that
 * were copied in, so it can reach no object of the host; what it can do is run on and grow. Steps, lengths
 * and `range` are limited here for that.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { describe, isJsonObject, type JsonObject } from "../json-object.ts";
import { CheckpointError, OptionError, UnsupportedModelError } from "../errors.ts";

export interface ChatMessage {
  /** "system", "user", "assistant", "tool", or what the template knows. */
  role: string;
  /** Text, or the parts that a template of a multimodal model takes. */
  content?: unknown;
  /** Other fields reach the template as they are: `tool_calls`, `name`, ... */
  [field: string]: unknown;
}

export interface ChatTemplateOptions {
  /** Ends the prompt with the beginning of the assistant's turn. Default true. */
  addGenerationPrompt?: boolean;
  /** JSON schemas of functions, passed to the template. */
  tools?: readonly JsonObject[];
  /** Further variables of the template, for instance `enable_thinking`. */
  variables?: JsonObject;
}

/**
 * Work for one prompt: nodes evaluated, elements and characters they gave. A long conversation takes some
 * hundred thousand.
 */
const MOST_WORK = 10_000_000;
/** Characters of a string, or elements of an array. */
const MOST_LENGTH = { string: 1 << 24, array: 1 << 16 };
/** Numbers that all calls of `range` in one prompt may give. */
const MOST_RANGE = 100_000;

/** The part of the library used here; its own declarations do not resolve under NodeNext. */
interface TemplateInterpreter {
  run(program: unknown): { readonly value: unknown };
  evaluate(node: unknown, environment: unknown): { readonly value: unknown };
}
const TemplateEnvironment = Environment as unknown as new () => { set(name: string, value: unknown): unknown };
const UnboundedInterpreter = Interpreter as unknown as new (environment: object) => TemplateInterpreter;

export class ChatTemplate {
  readonly #program: unknown;
  readonly #tokens: JsonObject;
  readonly #name: string;

  /**
   * @param tokenizerConfig parsed `tokenizer_config.json`; with `tools`, a template named "tool_use" is used
   *   if there is one
   * @param name for messages: where it comes from
   * @throws UnsupportedModelError if the model has no chat template; CheckpointError if it is no Jinja
   *   template
   */
  constructor(tokenizerConfig: JsonObject, name: string, templateName = "default") {
    const source = templateSource(tokenizerConfig["chat_template"], templateName);
    if (source === undefined) {
      throw new UnsupportedModelError(
        `${name}: chat template: got nothing, need one: give the model a prompt, or use an instruction-tuned one`,
      );
    }
    this.#name = name;
    try {
      this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
    } catch (cause) {
      throw new CheckpointError(`${name}: chat template: ${messageOf(cause)}`, { cause });
    }
    this.#tokens = {};
    for (const [key, value] of Object.entries(tokenizerConfig)) {
      if (!key.endsWith("_token")) continue;
      const token = isJsonObject(value) ? value["content"] : value;
      if (typeof token === "string") this.#tokens[key] = token;
    }
  }

  /**
   * The prompt. It contains the special tokens it needs, so encode it with `addSpecialTokens: false`.
   *
   * @throws OptionError if the messages are none, or the template refuses them; the message is the template's
   */
  render(
    messages: readonly ChatMessage[],
    { addGenerationPrompt = true, tools, variables = {} }: ChatTemplateOptions = {},
  ): string {
    checkMessages(messages);
    // A round trip through JSON: a template sees data only, no functions and no objects that change.
    const data = JSON.parse(
      JSON.stringify({
        ...variables,
        ...this.#tokens,
        messages,
        add_generation_prompt: addGenerationPrompt,
        tools: tools ?? null,
      }),
    ) as JsonObject;
    const environment = new TemplateEnvironment();
    for (const [key, value] of Object.entries({ ...globals(), ...data })) environment.set(key, value);
    try {
      return String(new BoundedInterpreter(environment).run(this.#program).value);
    } catch (cause) {
      throw new OptionError(`${this.#name}: chat template: ${messageOf(cause)}`, { cause });
    }
  }
}

/** The interpreter, with a limit to what one prompt may take. */
class BoundedInterpreter extends UnboundedInterpreter {
  #work = 0;

  override evaluate(node: unknown, environment: unknown): { readonly value: unknown } {
    this.#charge(1);
    const result = super.evaluate(node, environment);
    const { value } = result;
    if (typeof value === "string") this.#measure(value.length, MOST_LENGTH.string, 1 / 64);
    // A loop over an array costs its length even if its body is empty.
    else if (Array.isArray(value)) this.#measure(value.length, MOST_LENGTH.array, 4);
    return result;
  }

  #measure(length: number, most: number, workEach: number): void {
    if (length > most) throw new RangeError(`got a value of length ${length}, need at most ${most}`);
    this.#charge(length * workEach);
  }

  #charge(work: number): void {
    this.#work += work;
    if (this.#work > MOST_WORK) throw new RangeError(`got more than ${MOST_WORK} steps, need at most that`);
  }
}

/** The variables transformers gives every template (`utils/chat_template_utils.py`). */
function globals(): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: string) => {
      throw new Error(message);
    },
    range: boundedRange(MOST_RANGE),
    strftime_now: (format: string) => strftime(new Date(), format),
  };
}

function boundedRange(budget: number): (start: number, stop?: number, step?: number) => number[] {
  return (start, stop, step = 1) => {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    const length = Math.max(0, Math.ceil((to - from) / step));
    budget -= length;
    if (!(budget >= 0)) throw new RangeError(`range: got ${length} more numbers, need at most ${MOST_RANGE} in one prompt`);
    return Array.from({ length }, (_, i) => from + i * step);
  };
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const two = (value: number) => String(value).padStart(2, "0");

/** The directives that templates use, in the C locale. */
function strftime(date: Date, format: string): string {
  const day = DAYS[date.getDay()]!;
  const month = MONTHS[date.getMonth()]!;
  const directives: Readonly<Record<string, string>> = {
    a: day.slice(0, 3), A: day, b: month.slice(0, 3), B: month, d: two(date.getDate()), m: two(date.getMonth() + 1),
    y: two(date.getFullYear() % 100), Y: String(date.getFullYear()), H: two(date.getHours()), I: two(date.getHours() % 12 || 12),
    M: two(date.getMinutes()), S: two(date.getSeconds()), p: date.getHours() < 12 ? "AM" : "PM", "%": "%",
  }; // prettier-ignore
  return format.replaceAll(/%([a-zA-Z%])/g, (directive, letter: string) => directives[letter] ?? directive);
}

/** A string, or in older files an array of named templates. */
function templateSource(value: unknown, templateName: string): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = new Map<unknown, unknown>(value.filter(isJsonObject).map(({ name, template }) => [name, template]));
  const template = named.get(templateName) ?? named.get("default");
  return typeof template === "string" ? template : undefined;
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new OptionError(`messages: got ${describe(messages)}, need an array of at least one message`);
  for (const [i, message] of messages.entries()) {
    if (!isJsonObject(message) || typeof message["role"] !== "string")
      throw new OptionError(`messages[${i}]: got a message without a role, need one with it`);
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
