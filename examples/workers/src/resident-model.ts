/** The model of this process or isolate: loaded by the first request that needs it, then kept. */
import { CapabilityError, type LanguageModel } from "fptq";

export class ResidentModel {
  readonly #load: () => Promise<LanguageModel>;
  readonly #memoryBudget: number;
  #loading: Promise<LanguageModel> | undefined;
  #loaded: LanguageModel | undefined;

  /** @param memoryBudget most bytes of `model.memory().total` */
  constructor(load: () => Promise<LanguageModel>, memoryBudget: number) {
    this.#load = load;
    this.#memoryBudget = memoryBudget;
  }

  get state(): "idle" | "loading" | "loaded" {
    return this.#loaded ? "loaded" : this.#loading ? "loading" : "idle";
  }

  /**
   * After a failure the next call tries again.
   * @throws what `loadModel` does; CapabilityError for a model that is over the budget
   */
  get(): Promise<LanguageModel> {
    return (this.#loading ??= this.#loadOnce().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    }));
  }

  async #loadOnce(): Promise<LanguageModel> {
    const model = await this.#load();
    const { total } = model.memory();
    if (total > this.#memoryBudget) {
      await model.dispose();
      throw new CapabilityError(`memory: the model needs ${total} bytes, the budget is ${this.#memoryBudget}; lower contextSize`);
    }
    this.#loaded = model;
    return model;
  }
}
