/** A language model of the AI SDK (provider specification v4) that runs in this process. */
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  SharedV4Warning,
} from "@ai-sdk/provider";
import type { Generation } from "../decoding/generation.ts";
import type { LanguageModel } from "../decoding/language-model.ts";
import { conversationPrompt } from "../decoding/conversation.ts";
import { answerGrammar } from "../decoding/tool-calls/answer-grammar.ts";
import { type AnswerReading, answerParsing } from "../decoding/tool-calls/answer-parsing.ts";
import { ContentStream, contentOf, finishReasonOf, usageOf } from "./answer-content.ts";
import { callOf } from "./call-options.ts";
import { conversationOf } from "./prompt-messages.ts";

/** The provider's name, and that of its options. */
export const PROVIDER = "fptq";

interface Answer {
  readonly generation: Generation;
  readonly reading: AnswerReading;
  readonly warnings: SharedV4Warning[];
}

/** Language model of the AI SDK (specification v4) over a model of this process. */
export class FptqLanguageModel implements LanguageModelV4 {
  /** Version of the AI SDK's specification. */
  readonly specificationVersion = "v4";
  /** Name of the provider, as telemetry has it. */
  readonly provider = PROVIDER;
  /** Name by which the provider knows it. */
  readonly modelId: string;
  /** No file is read from anywhere. */
  readonly supportedUrls = {};
  readonly #load: () => Promise<LanguageModel>;

  /** @internal Made by `createFptq`. */
  constructor(modelId: string, load: () => Promise<LanguageModel>) {
    this.modelId = modelId;
    this.#load = load;
  }

  /** Generates a whole answer; `generateText` calls it. */
  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const { generation, reading, warnings } = await this.#begin(options);
    const result = await generation.result;
    const parser = reading.parser();
    const content = contentOf([...parser.push(result.text), ...parser.flush()], reading.callId);
    const calls = content.filter(({ type }) => type === "tool-call").length;
    return {
      content,
      finishReason: finishReasonOf(result, calls),
      usage: usageOf(result),
      warnings,
      response: this.#response(),
    };
  }

  /** Generates an answer part by part; `streamText` calls it. */
  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const parts = this.#parts(await this.#begin(options));
    const stream = new ReadableStream<LanguageModelV4StreamPart>({
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      // Leaving the text ends the work.
      cancel: async () => void (await parts.return()),
    });
    return { stream };
  }

  async *#parts({ generation, reading, warnings }: Answer): AsyncGenerator<LanguageModelV4StreamPart, void, void> {
    yield { type: "stream-start", warnings };
    yield { type: "response-metadata", ...this.#response() };
    const parser = reading.parser();
    const content = new ContentStream(reading.callId);
    for await (const text of generation) yield* content.push(parser.push(text));
    yield* content.push(parser.flush());
    yield* content.end();
    const result = await generation.result;
    yield { type: "finish", finishReason: finishReasonOf(result, content.calls), usage: usageOf(result) };
  }

  async #begin(asked: LanguageModelV4CallOptions): Promise<Answer> {
    const model = await this.#load();
    const template = model.chatTemplate ?? "";
    const parsing = answerParsing(template);
    const { options, tools, calls, form, variables, warnings } = callOf(asked, template, parsing.calls);
    const prompted = { ...(tools && { tools }), ...(variables && { templateVariables: variables }) };
    const { ids, end } = conversationPrompt(model, conversationOf(asked.prompt), prompted);
    const grammar = answerGrammar(form, calls, parsing, end);
    const reading = parsing.reading(end, tools !== undefined);
    return { generation: model.generate(ids, { ...options, grammar }), reading, warnings };
  }

  #response() {
    return { id: `fptq-${crypto.randomUUID()}`, timestamp: new Date(), modelId: this.modelId };
  }
}
