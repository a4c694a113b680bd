/** `/v1/chat/completions` and `/v1/completions`: from bodies to jobs, and how they are worded. */
import type { Context } from "hono";
import type { GenerateOptions } from "../../decoding/generation-options.ts";
import { answerGrammar } from "../../decoding/tool-calls/answer-grammar.ts";
import { type AnswerReading, answerParsing } from "../../decoding/tool-calls/answer-parsing.ts";
import { askedCalls } from "../../decoding/tool-calls/asked-calls.ts";
import { withMore } from "../../decoding/tool-calls/offered-calls.ts";
import { OptionError } from "../../errors.ts";
import { answer, type Answering, type Job, type Prompt } from "../answers/answer.ts";
import { answerForm } from "../answers/answer-form.ts";
import { chatFormat } from "../answers/chat-format.ts";
import { completionFormat } from "../answers/completion-format.ts";
import { ApiError } from "../api-error.ts";
import { conversationPrompt } from "../../decoding/conversation.ts";
import { chatSchema, type ChatRequest, conversationOf } from "../requests/chat-request.ts";
import { completionSchema, type CompletionRequest, promptsOf } from "../requests/completion-request.ts";
import { parseBody } from "../requests/parse.ts";
import { generateOptions, type SamplingFields } from "../requests/sampling-fields.ts";

export interface CompletionLimits {
  readonly alias: string;
  readonly maxTokens: number | undefined;
}

/** What a server has once its model is there. */
export type Serving = Answering & { readonly limits: CompletionLimits };

export async function completeChat(c: Context, server: Serving): Promise<Response> {
  const body = await parseBody(c, chatSchema);
  checkModel(body, server.limits.alias);
  const tokens = typeof body.max_completion_tokens === "number" ? "max_completion_tokens" : "max_tokens";
  const { job, reading } = chatJob(body, server, { messages: "messages", tokens });
  return answer(c, job, chatFormat(server.limits.alias, server.model.tokenizer, reading), server);
}

/**
 * A conversation as a job, and what reads the answer to it, for every endpoint that takes one.
 *
 * @param names what the request calls its messages, the most tokens of an answer, and a schema for it
 * @throws ApiError 400 for functions that the model's template has no words for, or too many tokens
 */
export function chatJob(
  body: ChatRequest,
  { model, limits }: Serving,
  names: { readonly messages: string; readonly tokens: string; readonly schema?: string },
): { job: Job; reading: AnswerReading } {
  const parsing = answerParsing(model.chatTemplate ?? "");
  const asked = blaming(() => askedCallsOf(body, parsing.calls !== undefined));
  const tools = asked && body.tools!;
  const variables = body.chat_template_kwargs;
  const prompted = { ...(tools && { tools }), ...(variables && { templateVariables: variables }) };
  const { ids, end } = conversationPrompt(model, conversationOf(body), prompted);
  const most = { field: names.tokens, tokens: body.max_completion_tokens ?? body.max_tokens };
  const logprobs = body.logprobs ? { logprobs: body.top_logprobs ?? 0 } : {};
  const sampling = generateOptions(body, most, limits.maxTokens);
  const calls = tools && parsing.calls;
  const written = { keptTokens: calls?.marks, stop: withMore(sampling.stop, calls?.stop) };
  const grammar = blaming(() => answerGrammar(answerForm(body, names.schema), asked, parsing, end));
  const options = { ...sampling, ...logprobs, ...written, grammar };
  const job = jobOf(body, { field: names.messages, prompts: [{ ids, echo: undefined }] }, options);
  return { job, reading: parsing.reading(end, tools !== undefined) };
}

function askedCallsOf({ tools, tool_choice: toolChoice, parallel_tool_calls: several }: ChatRequest, readsCalls: boolean) {
  return askedCalls({ tools, toolChoice, parallelToolCalls: several }, readsCalls, "tool_choice");
}

export async function completeText(c: Context, server: Serving): Promise<Response> {
  const body = await parseBody(c, completionSchema);
  const { model, limits } = server;
  checkModel(body, limits.alias);
  const prompts = promptsOf(body).map((prompt): Prompt => {
    const ids = model.promptIds(prompt);
    // What is given back is the text as it was given; of ids, what they spell.
    const text = typeof prompt === "string" ? prompt : model.tokenizer.decode(ids);
    return { ids, echo: body.echo ? text : undefined };
  });
  const logprobs = typeof body.logprobs === "number" ? { logprobs: body.logprobs } : {};
  const grammar = blaming(() => answerForm(body));
  const sampling = generateOptions(body, { field: "max_tokens", tokens: body.max_tokens }, limits.maxTokens);
  const options = { ...sampling, ...logprobs, grammar };
  const job = jobOf(body, { field: "prompt", prompts }, scoring(body) && !grammar ? { ...options, ignoreEos: true } : options);
  return answer(c, job, completionFormat(limits.alias, model.tokenizer, logprobs.logprobs !== undefined), server);
}

/** Gives what an answer cannot be held to the name of the field in the request. */
function blaming<Form>(make: () => Form): Form {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new ApiError(400, error.message, { param: error.message.slice(0, error.message.indexOf(": ")) });
  }
}

/** A prompt scored with one token behind it: that token has its entry, also where it would end the text. */
function scoring({ echo, logprobs, max_tokens }: CompletionRequest): boolean {
  return echo === true && typeof logprobs === "number" && max_tokens === 1;
}

function jobOf(body: SamplingFields, asked: Pick<Job, "field" | "prompts">, options: GenerateOptions): Job {
  return {
    ...asked,
    choices: body.n ?? 1,
    slot: body.id_slot ?? undefined,
    options,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    deadline: body.deadline ?? undefined,
  };
}

/** @throws ApiError 404 for the name of another model */
export function checkModel({ model }: { readonly model?: string | undefined }, alias: string): void {
  if (model === undefined || model === alias || model === "") return;
  throw new ApiError(404, `model: got "${model}", need "${alias}"`, { param: "model", code: "model_not_found" });
}
