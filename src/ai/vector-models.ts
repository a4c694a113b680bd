/** Embedding and reranking models of the AI SDK (provider specification v4) that run in this process. */
import type {
  EmbeddingModelV4,
  EmbeddingModelV4CallOptions,
  EmbeddingModelV4Result,
  RerankingModelV4,
  RerankingModelV4CallOptions,
  RerankingModelV4Result,
} from "@ai-sdk/provider";
import { embeddingIds, type EmbedOptions } from "../decoding/embed.ts";
import type { LanguageModel } from "../decoding/language-model.ts";
import type { RerankOptions } from "../decoding/rerank.ts";
import { PROVIDER } from "./language-model.ts";

/** `providerOptions.fptq` of an embedding model. */
export type FptqEmbeddingOptions = Omit<EmbedOptions, "signal">;
/** `providerOptions.fptq` of a reranking model. */
export type FptqRerankingOptions = Omit<RerankOptions, "signal">;

/** Embedding model of the AI SDK (specification v4) over a model of this process. */
export class FptqEmbeddingModel implements EmbeddingModelV4 {
  /** Version of the AI SDK's specification. */
  readonly specificationVersion = "v4";
  /** Name of the provider, as telemetry has it. */
  readonly provider = PROVIDER;
  /** Name by which the provider knows it. */
  readonly modelId: string;
  /** Texts go through the model together as far as there is room; how many a call has does not matter. */
  readonly maxEmbeddingsPerCall = Infinity;
  /** Whether calls may run beside each other. */
  readonly supportsParallelCalls = true;
  readonly #load: () => Promise<LanguageModel>;

  /** @internal Made by `createFptq`. */
  constructor(modelId: string, load: () => Promise<LanguageModel>) {
    this.modelId = modelId;
    this.#load = load;
  }

  /** Vectors of texts, in their order; `embedMany` calls it. */
  async doEmbed({ values, abortSignal: signal, providerOptions }: EmbeddingModelV4CallOptions): Promise<EmbeddingModelV4Result> {
    const model = await this.#load();
    const options = providerOptions?.[PROVIDER] as FptqEmbeddingOptions | undefined;
    const encoded = embeddingIds(model, values, options?.promptName);
    const vectors = await model.embed(encoded, { ...options, signal });
    const tokens = encoded.reduce((sum, ids) => sum + ids.length, 0);
    return { embeddings: vectors.map((vector) => Array.from(vector)), usage: { tokens }, warnings: [] };
  }
}

/** Reranking model of the AI SDK (specification v4) over a model of this process. */
export class FptqRerankingModel implements RerankingModelV4 {
  /** Version of the AI SDK's specification. */
  readonly specificationVersion = "v4";
  /** Name of the provider, as telemetry has it. */
  readonly provider = PROVIDER;
  /** Name by which the provider knows it. */
  readonly modelId: string;
  readonly #load: () => Promise<LanguageModel>;

  /** @internal Made by `createFptq`. */
  constructor(modelId: string, load: () => Promise<LanguageModel>) {
    this.modelId = modelId;
    this.#load = load;
  }

  /** Orders documents by how well they answer a query; `rerank` calls it. */
  async doRerank(asked: RerankingModelV4CallOptions): Promise<RerankingModelV4Result> {
    const { documents, query, topN, abortSignal: signal, providerOptions } = asked;
    const model = await this.#load();
    const texts = documents.type === "text" ? documents.values : documents.values.map((value) => JSON.stringify(value));
    const scores = await model.rerank(query, texts, { ...(providerOptions?.[PROVIDER] as FptqRerankingOptions), signal });
    const ranking = scores
      .map((relevanceScore, index) => ({ index, relevanceScore }))
      .toSorted((a, b) => b.relevanceScore - a.relevanceScore || a.index - b.index);
    return { ranking: ranking.slice(0, topN) };
  }
}
