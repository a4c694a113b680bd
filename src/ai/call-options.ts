/** Settings of a call by the AI SDK as options of a generation, and warnings for those not honoured. */
import type { LanguageModelV4CallOptions, SharedV4Warning } from "@ai-sdk/provider";
import type { GenerateOptions } from "../decoding/generation-options.ts";
import type { JsonObject } from "../json-object.ts";
import { checkOptions, type OptionKeys, optionKeys } from "../option-keys.ts";
import { OptionError } from "../errors.ts";
import type { Grammar } from "../decoding/grammar/grammar.ts";
import { jsonSchemaGrammar } from "../decoding/grammar/response-format.ts";
import { type AskedCalls, askedCalls, type ToolChoice } from "../decoding/tool-calls/asked-calls.ts";
import type { CallFormat } from "../decoding/tool-calls/call-formats.ts";
import { withMore } from "../decoding/tool-calls/offered-calls.ts";

/** `providerOptions.fptq` of a language model: what the AI SDK has no setting for. */
export type FptqLanguageOptions = Pick<
  GenerateOptions,
  "minP" | "repeatPenalty" | "repeatLastN" | "logitBias" | "ignoreEos" | "draftMax" | "whenFull" | "templateVariables"
>;

const LANGUAGE_OPTIONS: OptionKeys = optionKeys<FptqLanguageOptions>({
  minP: 0, repeatPenalty: 0, repeatLastN: 0, logitBias: 0, ignoreEos: 0, draftMax: 0, whenFull: 0, templateVariables: 0,
}); // prettier-ignore

export interface Call {
  readonly options: GenerateOptions;
  /** Functions for the chat template, in OpenAI's form; undefined for none. */
  readonly tools: readonly JsonObject[] | undefined;
  /** What is asked of calls of them. */
  readonly calls: AskedCalls | undefined;
  /** What an answer is held to that is no call; undefined for any. */
  readonly form: Grammar | undefined;
  readonly variables: JsonObject | undefined;
  readonly warnings: SharedV4Warning[];
}

/**
 * @param template source of the model's chat template
 * @param calls how it shows the model to call functions, if it does
 * @throws OptionError for options of this provider that are none
 */
export function callOf(asked: LanguageModelV4CallOptions, template: string, calls: CallFormat | undefined): Call {
  const own = (asked.providerOptions?.["fptq"] ?? {}) as FptqLanguageOptions;
  checkOptions(own, LANGUAGE_OPTIONS);
  const warnings: SharedV4Warning[] = [];
  const unsupported = (feature: string, details: string) => warnings.push({ type: "unsupported", feature, details });
  const { templateVariables, ...rest } = own;
  const thinking = thoughts(asked.reasoning, template, unsupported);
  const tools = toolsOf(asked, calls, unsupported);
  const askedOf =
    tools && askedCalls({ tools: tools.map(({ offered }) => offered), toolChoice: choiceOf(asked.toolChoice) }, true);
  const form = formOf(asked, rest.ignoreEos);
  const variables = thinking || templateVariables ? { ...thinking, ...templateVariables } : undefined;
  const options: GenerateOptions = {
    ...rest,
    maxTokens: asked.maxOutputTokens,
    temperature: asked.temperature,
    topP: asked.topP,
    topK: asked.topK,
    presencePenalty: asked.presencePenalty,
    frequencyPenalty: asked.frequencyPenalty,
    seed: asked.seed,
    stop: withMore(asked.stopSequences, tools && calls?.stop),
    keptTokens: tools && calls?.marks,
    signal: asked.abortSignal,
  };
  return { options, tools: tools?.map(({ shown }) => shown), calls: askedOf, form, variables, warnings };
}

type Unsupported = (feature: string, details: string) => void;

/** The one variable that templates of models that think have for it. */
function thoughts(
  effort: LanguageModelV4CallOptions["reasoning"],
  template: string,
  unsupported: Unsupported,
): JsonObject | undefined {
  if (effort === undefined || effort === "provider-default") return undefined;
  if (template.includes("enable_thinking")) return { enable_thinking: effort !== "none" };
  unsupported("reasoning", "the model's chat template has no switch for it");
  return undefined;
}

/** Functions as the model is shown them, and with what is asked of their calls. */
function toolsOf(
  { tools, toolChoice }: LanguageModelV4CallOptions,
  calls: CallFormat | undefined,
  unsupported: Unsupported,
): readonly { readonly shown: JsonObject; readonly offered: JsonObject }[] | undefined {
  if (toolChoice?.type === "none" || !tools?.length) return undefined;
  if (!calls) {
    unsupported("tools", "the model's chat template shows no way to call them that is read here");
    return undefined;
  }
  for (const tool of tools) {
    if (tool.type === "provider") unsupported(`tool ${tool.id}`, "this provider executes no tools");
  }
  const functions = tools.filter((tool) => tool.type === "function");
  if (functions.length === 0) return undefined;
  return functions.map(({ name, description, inputSchema, strict }) => {
    const said = { name, ...(description !== undefined && { description }), parameters: inputSchema as JsonObject };
    return { shown: { type: "function", function: said }, offered: { type: "function", function: { ...said, strict } } };
  });
}

function choiceOf(choice: LanguageModelV4CallOptions["toolChoice"]): ToolChoice {
  if (choice?.type === "tool") return { type: "function", function: { name: choice.toolName } };
  return choice?.type ?? "auto";
}

/** @throws OptionError for a schema that answers cannot be held to */
function formOf({ responseFormat }: LanguageModelV4CallOptions, ignoresEnd: boolean | undefined): Grammar | undefined {
  if (responseFormat?.type !== "json") return undefined;
  if (ignoresEnd)
    throw new OptionError("ignoreEos: got true beside responseFormat, which says where the answer ends, need false");
  return jsonSchemaGrammar(responseFormat.schema ?? { type: "object" }, "responseFormat.schema");
}
