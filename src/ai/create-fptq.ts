/** Models of this process as a provider of the AI SDK. */
import type { LanguageModel } from "../decoding/language-model.ts";
import { UnsupportedModelError } from "../errors.ts";
import { shown } from "../need.ts";
import { FptqLanguageModel, PROVIDER } from "./language-model.ts";
import { FptqEmbeddingModel, FptqRerankingModel } from "./vector-models.ts";

/** A loaded model, or what loads one with the first call. */
export type ProvidedModel = LanguageModel | (() => Promise<LanguageModel>);

/** A provider by specification v4: `fptq(id)` is `fptq.languageModel(id)`. */
export interface FptqProvider<Id extends string = string> {
  /**
   * Language model of this name.
   *
   * @throws UnsupportedModelError for a name that was not given
   */
  (modelId: Id): FptqLanguageModel;
  /** Version of the AI SDK's specification. */
  readonly specificationVersion: "v4";
  /**
   * Language model of this name.
   *
   * @throws UnsupportedModelError for a name that was not given
   */
  languageModel(modelId: Id): FptqLanguageModel;
  /**
   * Embedding model of this name.
   *
   * @throws UnsupportedModelError for a name that was not given
   */
  embeddingModel(modelId: Id): FptqEmbeddingModel;
  /**
   * Reranking model of this name.
   *
   * @throws UnsupportedModelError for a name that was not given
   */
  rerankingModel(modelId: Id): FptqRerankingModel;
  /** @throws UnsupportedModelError */
  imageModel(modelId: string): never;
}

/**
 * Makes a provider of models that run here, without a server.
 *
 * @example
 * ```ts
 * import { generateText } from "ai";
 * import { loadModel } from "fptq";
 * import { createFptq } from "fptq/ai";
 *
 * const fptq = createFptq({ smollm2: () => loadModel("SmolLM2-w4a8") });
 * const { text } = await generateText({ model: fptq("smollm2"), prompt: "Why is the sky blue?" });
 * ```
 * @param models by the name that programs call them
 * @throws UnsupportedModelError, when it is asked for a model of another name
 */
export function createFptq<Id extends string>(models: Readonly<Record<Id, ProvidedModel>>): FptqProvider<Id> {
  const loading = new Map<string, Promise<LanguageModel>>();
  /** After a failure the next call tries again. */
  const load = (id: Id, model: ProvidedModel) => async () => {
    if (typeof model !== "function") return model;
    const loads = loading.get(id) ?? model();
    loading.set(id, loads);
    try {
      return await loads;
    } catch (error) {
      loading.delete(id);
      throw error;
    }
  };
  const loaderOf = (id: Id) => {
    if (Object.hasOwn(models, id)) return load(id, models[id]);
    throw new UnsupportedModelError(`${PROVIDER}: got ${shown(id)}, need one of ${Object.keys(models).map(shown).join(", ")}`);
  };
  const languageModel = (id: Id) => new FptqLanguageModel(id, loaderOf(id));
  return Object.assign((id: Id) => languageModel(id), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel: (id: Id) => new FptqEmbeddingModel(id, loaderOf(id)),
    rerankingModel: (id: Id) => new FptqRerankingModel(id, loaderOf(id)),
    imageModel(id: string): never {
      throw new UnsupportedModelError(`${PROVIDER}: got ${shown(id)} for a model of images, need a language model`);
    },
  });
}
