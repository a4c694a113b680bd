/** The model of a process or isolate: there from the start, or loaded by the first request that needs it. */
import type { LanguageModel } from "../decoding/language-model.ts";
import type { ServedModel } from "./server-options.ts";

export class ResidentModel {
  readonly #load: () => Promise<LanguageModel>;
  #loading: Promise<LanguageModel> | undefined;
  #loaded: LanguageModel | undefined;

  constructor(model: ServedModel) {
    this.#load = typeof model === "function" ? model : () => Promise.resolve(model);
    if (typeof model !== "function") this.#loaded = model;
  }

  /** Undefined until it is loaded. */
  get loaded(): LanguageModel | undefined {
    return this.#loaded;
  }

  get state(): "idle" | "loading" | "loaded" {
    return this.#loaded ? "loaded" : this.#loading ? "loading" : "idle";
  }

  /** After a failure the next call tries again. @throws what loading does */
  get(): Promise<LanguageModel> {
    return (this.#loading ??= this.#loadOnce().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    }));
  }

  async #loadOnce(): Promise<LanguageModel> {
    return (this.#loaded = await this.#load());
  }
}
