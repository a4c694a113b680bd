/**
 * `fptq/ai`: models of this process as a provider of the AI SDK (`ai`), without a server.
 *
 *     import { streamText } from "ai";
 *     import { loadModel } from "fptq";
 *     import { createFptq } from "fptq/ai";
 *
 *     const fptq = createFptq({ smollm2: await loadModel("SmolLM2-w4a8") });
 *     const { textStream } = streamText({ model: fptq("smollm2"), prompt: "Why is the sky blue?" });
 *
 * @module fptq/ai
 */
export { createFptq } from "./ai/create-fptq.ts";
export type { FptqProvider, ProvidedModel } from "./ai/create-fptq.ts";
export type { FptqLanguageOptions } from "./ai/call-options.ts";
export type { FptqLanguageModel } from "./ai/language-model.ts";
export type { FptqEmbeddingModel, FptqEmbeddingOptions, FptqRerankingModel, FptqRerankingOptions } from "./ai/vector-models.ts";
