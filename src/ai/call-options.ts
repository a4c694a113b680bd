/** Settings of a call by the AI SDK as options of a generation, and warnings for those not honoured. */
import type { LanguageModelV4CallOptions, SharedV4Warning } from "@ai-sdk/provider";
import type { GenerateOptions } from "../decoding/generation-options.ts";
import type { JsonObject } from "../json-object.ts";
import { checkOptions, type OptionKeys, optionKeys } from "../option-keys.ts";
import type { AskedForm } from "../server/answers/answer-grammar.ts";
import type { ChatRequest } from "../server/requests/chat-request.ts";
import type { CallFormat } from "../decoding/tool-calls/call-formats.ts";

/** `providerOptions.fptq` of a language model: what the AI SDK has no setting for. */
export type FptqLanguageOptions = Pick<
  GenerateOptions,
  "minP" | "repeatPenalty" | "repeatLastN" | "logitBias" | "ignoreEos" | "draftMax" | "whenFull" | "templateVariables"
>;

const LANGUAGE_OPTIONS: OptionKeys = optionKeys<FptqLanguageOptions>({
  minP: 0, repeatPenalty: 0, repeatLastN: 0, logitBias: 0, ignoreEos: 0, draftMax: 0, whenFull: 0, templateVariables: 0,
}); // prettier-ignore

/** A function in OpenAI's form. */
export type FunctionTool = JsonObject & NonNullable<ChatRequest["tools"]>[number];

export interface Call {
  readonly options: GenerateOptions;
  /** Functions for the chat template, in OpenAI's form; undefined for none. */
  readonly tools: readonly FunctionTool[] | undefined;
  /** What the answer is held to, in OpenAI's fields. */
  readonly form: AskedForm;
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
  const form = formOf(asked, tools !== undefined && calls?.forced !== undefined, rest.ignoreEos);
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
    stop: [...(asked.stopSequences ?? []), ...((tools && calls?.stop) ?? [])],
    keptTokens: tools && calls?.marks,
    signal: asked.abortSignal,
  };
  return { options, tools, form, variables, warnings };
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
  calls: CallFormat | undefined,
  unsupported: Unsupported,
): readonly FunctionTool[] | undefined {
  if (toolChoice?.type === "none" || !tools?.length) return undefined;
  if (!calls) {
    unsupported("tools", "the model's chat template shows no way to call them that is read here");
    return undefined;
  }
  if (!calls.forced && isForcing(toolChoice))
    unsupported("toolChoice", "calls of this model are not JSON, and it cannot be made to make one");
  for (const tool of tools) {
    if (tool.type === "provider") unsupported(`tool ${tool.id}`, "this provider executes no tools");
  }
  const functions = tools.filter((tool) => tool.type === "function");
  if (functions.length === 0) return undefined;
  return functions.map(({ name, description, inputSchema }) => {
    const parameters = inputSchema as JsonObject;
    return { type: "function", function: { name, ...(description !== undefined && { description }), parameters } };
  });
}

const isForcing = (choice: LanguageModelV4CallOptions["toolChoice"]): boolean =>
  choice?.type === "required" || choice?.type === "tool";

/** @param forces whether calls can be made to be */
function formOf(asked: LanguageModelV4CallOptions, forces: boolean, ignoreEos: boolean | undefined): AskedForm {
  const { responseFormat, toolChoice: choice } = asked;
  const schema = responseFormat?.type === "json" ? (responseFormat.schema ?? { type: "object" }) : undefined;
  return {
    ...(schema && { response_format: { type: "json_schema", json_schema: { schema: schema as JsonObject } } }),
    ...(forces && choice?.type === "required" && { tool_choice: "required" }),
    ...(forces && choice?.type === "tool" && { tool_choice: { type: "function", function: { name: choice.toolName } } }),
    ...(ignoreEos !== undefined && { ignore_eos: ignoreEos }),
  };
}
