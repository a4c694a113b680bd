/** What a server's model may be asked for besides texts: vectors, and the order of documents. */
import { embeddingPooling, type EmbedOptions } from "../decoding/embed.ts";
import type { LanguageModel } from "../decoding/language-model.ts";
import { rerankingPrompts } from "../decoding/rerank.ts";
import { ApiError } from "./api-error.ts";

export interface Abilities {
  /** Undefined to go by the checkpoint. */
  readonly embedding: boolean | undefined;
  readonly pooling: EmbedOptions["pooling"];
  readonly rerank: boolean;
}

/** @throws OptionError, UnsupportedModelError for a model that cannot do what its server was told */
export function checkAbilities(model: LanguageModel, { embedding, pooling, rerank }: Abilities): void {
  if (embedding) embeddingPooling(model, pooling);
  if (rerank) rerankingPrompts(model, "", []);
}

/** @throws ApiError 400 */
export function checkEmbeds({ pooling }: Pick<LanguageModel, "pooling">, { embedding }: Abilities): void {
  if (embedding ?? pooling !== undefined) return;
  const message = "embeddings: got a model that was not made for vectors, need one whose checkpoint says how it makes them";
  throw new ApiError(400, `${message}, or a server that was told to`, { code: "not_supported" });
}

/**
 * No checkpoint says of itself that it reranks, and scores of a model that was not trained for it mean
 * nothing.
 *
 * @throws ApiError 400
 */
export function checkReranks({ rerank }: Abilities): void {
  if (rerank) return;
  const message = "rerank: got a server that was not told that its model orders documents, need one that was";
  throw new ApiError(400, message, { code: "not_supported" });
}
