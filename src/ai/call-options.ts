/** Settings of a call by the AI SDK as options of a generation, and warnings for those not honoured. */
import type { LanguageModelV4CallOptions, SharedV4Warning } from "@ai-sdk/provider";
import type { GenerateOptions } from "../decoding/generation-options.ts";
import type { JsonObject } from "../json-object.ts";
import { checkOptions, type OptionKeys, optionKeys } from "../option-keys.ts";

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
  readonly variables: JsonObject | undefined;
  readonly warnings: SharedV4Warning[];
}

/**
 * @param template source of the model's chat template
 * @param callsTools whether it shows the model how to call functions
 * @throws OptionError for options of this provider that are none
 */
export function callOf(asked: LanguageModelV4CallOptions, template: string, callsTools: boolean): Call {
  const own = (asked.providerOptions?.["fptq"] ?? {}) as FptqLanguageOptions;
  checkOptions(own, LANGUAGE_OPTIONS);
  const warnings: SharedV4Warning[] = [];
  const unsupported = (feature: string, details: string) => warnings.push({ type: "unsupported", feature, details });
  const { templateVariables, ...rest } = own;
  const thinking = thoughts(asked.reasoning, template, unsupported);
  const tools = toolsOf(asked, callsTools, unsupported);
  formatOf(asked, unsupported);
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
    stop: asked.stopSequences,
    signal: asked.abortSignal,
  };
  return { options, tools, variables, warnings };
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

function toolsOf(
  { tools, toolChoice }: LanguageModelV4CallOptions,
  callsTools: boolean,
  unsupported: Unsupported,
): readonly JsonObject[] | undefined {
  if (toolChoice?.type === "none" || !tools?.length) return undefined;
  if (!callsTools) {
    unsupported("tools", "the model's chat template shows no way to call them that is read here");
    return undefined;
  }
  if (toolChoice?.type === "required" || toolChoice?.type === "tool")
    unsupported("toolChoice", "the model cannot be made to call a function");
  for (const tool of tools) {
    if (tool.type === "provider") unsupported(`tool ${tool.id}`, "this provider executes no tools");
  }
  const functions = tools.filter((tool) => tool.type === "function");
  if (functions.length === 0) return undefined;
  return functions.map(({ name, description, inputSchema }) => {
    const described = { name, ...(description !== undefined && { description }), parameters: inputSchema };
    return { type: "function", function: described } as unknown as JsonObject;
  });
}

/** Where the form of the answer is asked for. */
function formatOf({ responseFormat }: LanguageModelV4CallOptions, unsupported: Unsupported): void {
  if (responseFormat?.type === "json") unsupported("responseFormat", "answers are not held to a schema");
}
