/** Functions that are offered to a model, and what is asked of its calls, in OpenAI's shapes. */
import { OptionError } from "../../errors.ts";
import { describe, isJsonObject } from "../../json-object.ts";

/** OpenAI's `tool_choice`. */
export type ToolChoice =
  "auto" | "none" | "required" | { readonly type: "function"; readonly function: { readonly name: string } };

export interface OfferedFunction {
  readonly name: string;
  /** A JSON schema of its arguments; undefined where it takes none. */
  readonly parameters: unknown;
  /** Whether its arguments have to be of that schema wherever it is called. */
  readonly isStrict: boolean;
  /** What it is called in messages. */
  readonly where: string;
}

export interface AskedCalls {
  readonly functions: readonly OfferedFunction[];
  /** Those of which one has to be called; undefined where none has to. */
  readonly forced: readonly OfferedFunction[] | undefined;
  /** Whether there may be more than one call. */
  readonly several: boolean;
}

/** What a generation, or a request, says of calls. */
export interface CallOptions {
  readonly tools?: unknown;
  readonly toolChoice?: ToolChoice | null | undefined;
  readonly parallelToolCalls?: boolean | null | undefined;
}

/**
 * @param readsCalls whether the model's calls can be read
 * @param choiceName what `toolChoice` is called in messages
 * @returns undefined where no function may be called
 * @throws OptionError for functions that are none or that the model has no words for, and for a choice that
 *   is none or of no function
 */
export function askedCalls(options: CallOptions, readsCalls: boolean, choiceName = "toolChoice"): AskedCalls | undefined {
  const choice = choiceOf(options.toolChoice, choiceName);
  const tools = options.tools ?? [];
  if (!Array.isArray(tools)) throw new OptionError(`tools: got ${describe(tools)}, need an array of functions`);
  if (choice === "none") return undefined;
  if (tools.length === 0) {
    if (choice === "auto") return undefined;
    throw new OptionError(`${choiceName}: got a call that has to be, need tools to call`);
  }
  if (!readsCalls)
    throw new OptionError("tools: got some, need none: this model's template shows no way to call them that is read here");
  const functions = tools.map((tool, i) => offered(tool, `tools.${i}`));
  const several = options.parallelToolCalls !== false;
  if (choice === "auto") return { functions, forced: undefined, several };
  if (choice === "required") return { functions, forced: functions, several };
  const { name } = choice.function;
  const forced = functions.filter((one) => one.name === name);
  if (forced.length > 0) return { functions, forced, several };
  throw new OptionError(`${choiceName}.function.name: got ${JSON.stringify(name)}, need the name of one of tools`);
}

function offered(tool: unknown, where: string): OfferedFunction {
  const given = isJsonObject(tool) ? tool["function"] : undefined;
  if (!isJsonObject(given) || typeof given["name"] !== "string" || given["name"] === "")
    throw new OptionError(`${where}.function: got ${describe(given)}, need an object with a name`);
  const { name, parameters, strict } = given;
  return { name, parameters: parameters ?? undefined, isStrict: strict === true, where: `${where}.function` };
}

function choiceOf(choice: ToolChoice | null | undefined, name: string): ToolChoice {
  if (choice === undefined || choice === null) return "auto";
  if (choice === "auto" || choice === "none" || choice === "required") return choice;
  if (isJsonObject(choice) && isJsonObject(choice.function) && typeof choice.function.name === "string") return choice;
  throw new OptionError(`${name}: got ${describe(choice)}, need "auto", "none", "required" or a function with its name`);
}
