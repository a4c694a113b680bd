/**
 * Chat templates: messages to a prompt, by the Jinja template of the model (`chat_template` of
 * tokenizer_config.json), as transformers renders it.
 *
 * A template is a program from a model file; `src/chat-template/` carries it out, with a limit to its work.
 */
import { NotCarriedOut } from "../chat-template/limits.ts";
import { Template } from "../chat-template/template.ts";
import { describe, isJsonObject, type JsonObject } from "../json-object.ts";
import { CheckpointError, OptionError, UnsupportedModelError } from "../errors.ts";

/** Message of a conversation. */
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

export class ChatTemplate {
  readonly #template: Template;
  readonly #tokens: JsonObject;
  readonly #name: string;

  /**
   * @param tokenizerConfig parsed `tokenizer_config.json`; with `tools`, a template named "tool_use" is used
   *   if there is one
   * @param name for messages: where it comes from
   * @throws UnsupportedModelError if the model has no chat template, or one with a tag, filter or name that
   *   is not carried out as transformers does; CheckpointError if it is no Jinja template
   */
  constructor(tokenizerConfig: JsonObject, name: string, templateName = "default") {
    const source = chatTemplateSource(tokenizerConfig, templateName);
    if (source === undefined) {
      throw new UnsupportedModelError(
        `${name}: chat template: got nothing, need one: give the model a prompt, or use an instruction-tuned one`,
      );
    }
    this.#name = name;
    try {
      this.#template = new Template(source);
    } catch (cause) {
      if (cause instanceof NotCarriedOut) throw new UnsupportedModelError(notCarriedOut(name, cause), { cause });
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
   * As in transformers, `variables` come before tokens of the same name, and what a message says under
   * `reasoning_content`, `thinking` or `reasoning` is there under the first two.
   *
   * A whole number in the messages is an int to the template, since JSON does not tell 1.0 from 1.
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
        documents: null,
        ...this.#tokens,
        ...variables,
        messages: messages.map(withReasoning),
        add_generation_prompt: addGenerationPrompt,
        tools: tools ?? null,
      }),
    ) as JsonObject;
    try {
      return this.#template.render(data);
    } catch (cause) {
      if (cause instanceof NotCarriedOut) throw new OptionError(notCarriedOut(this.#name, cause), { cause });
      throw new OptionError(`${this.#name}: chat template: ${messageOf(cause)}`, { cause });
    }
  }
}

/** Names of what a message has thought; templates read the first, some the second. */
const REASONING = ["reasoning_content", "thinking", "reasoning"];

function withReasoning(message: ChatMessage): ChatMessage {
  const reasoning = REASONING.map((name) => message[name]).find((value) => value !== undefined && value !== null);
  return reasoning === undefined ? message : { thinking: reasoning, ...message, reasoning_content: reasoning };
}

/**
 * The source of a model's chat template, if it has one.
 * @param tokenizerConfig parsed `tokenizer_config.json`: a string, or in older files an array of named
 *   templates
 */
export function chatTemplateSource(tokenizerConfig: JsonObject, templateName = "default"): string | undefined {
  const value = tokenizerConfig["chat_template"];
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

function notCarriedOut(name: string, { message }: Error): string {
  return `${name}: chat template: got ${message}, need a template without it`;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
