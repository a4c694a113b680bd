/** The loaded model beside a float one: both continue a text, and the float one judges the other's tokens. */
import { type Asked, runShown } from "./asked.ts";
import type { Engine } from "./engine.ts";
import type { Source, TaskResults, Token } from "./messages.ts";
import { ReferenceModel } from "./reference-model.ts";
import { sourceName } from "./sources.ts";
import type { State } from "./state.ts";
import { commonTokens } from "./token-difference.ts";

/** Tokens of each answer. */
const MOST_TOKENS = 64;

export interface ComparedText {
  readonly model: string;
  readonly tokens: readonly ComparedToken[];
  readonly tokensPerSecond: number;
}

export interface ComparedToken {
  readonly text: string;
  /** Whether the other text has it at this point. */
  readonly isCommon: boolean;
  /** What the float model would have said here; undefined where it agrees, or is the one that says it. */
  readonly instead: string | undefined;
}

export interface Comparison {
  readonly quantized: ComparedText;
  readonly float: ComparedText;
  /** Tokens of the quantized model's text that the float model holds likeliest too, given the same text. */
  readonly agreed: number;
}

export class Comparer {
  readonly #state: State;
  readonly #changed: () => void;
  readonly #engine: Engine;
  #reference: ReferenceModel | undefined;

  constructor(state: State, changed: () => void, engine: Engine) {
    this.#state = state;
    this.#changed = changed;
    this.#engine = engine;
  }

  /** @param source the float model */
  compare(source: Source, text: string): Promise<void> {
    return runShown(
      (asked: Asked<Comparison>) => {
        this.#state.comparison = asked;
        this.#state.referenceProgress = undefined;
        this.#changed();
      },
      () => this.#compare(source, text),
    );
  }

  /** Gives the float model's memory back; a comparison that runs fails. */
  end(): void {
    this.#reference?.end();
    this.#reference = undefined;
  }

  async #compare(source: Source, content: string): Promise<Comparison> {
    const reference = this.#referenceFor(source);
    await reference.loaded.catch((failure: unknown) => {
      this.end();
      throw failure;
    });
    const question = { name: "tokens", messages: [{ role: "user", content }], maxTokens: MOST_TOKENS } as const;
    // One after the other, so that neither takes the other's cores.
    const quantized = await this.#engine.run(question);
    const float = await reference.run(question);
    const ids = [...quantized.prompt, ...quantized.tokens.map(({ id }) => id)];
    const choices = await reference.run({ name: "choices", ids, count: quantized.tokens.length });
    return compared(sourceName(this.#state.source), sourceName(source), { quantized, float, choices });
  }

  #referenceFor(source: Source): ReferenceModel {
    if (this.#reference?.source === source) return this.#reference;
    this.end();
    this.#reference = new ReferenceModel(source, {
      onProgress: (progress) => {
        this.#state.referenceProgress = progress;
        this.#changed();
      },
      onWarning: (message) => {
        this.#state.warnings.push(message);
        this.#changed();
      },
    });
    return this.#reference;
  }
}

interface Answers {
  readonly quantized: TaskResults["tokens"];
  readonly float: TaskResults["tokens"];
  readonly choices: readonly Token[];
}

function compared(quantizedName: string, floatName: string, { quantized, float, choices }: Answers): Comparison {
  const ids = ({ tokens }: TaskResults["tokens"]) => tokens.map(({ id }) => id);
  const common = commonTokens(ids(quantized), ids(float));
  const agrees = quantized.tokens.map(({ id }, at) => choices[at]!.id === id);
  return {
    quantized: {
      model: quantizedName,
      tokens: quantized.tokens.map(({ text }, at) => ({
        text,
        isCommon: common.a[at]!,
        instead: agrees[at] ? undefined : choices[at]!.text,
      })),
      tokensPerSecond: quantized.tokensPerSecond,
    },
    float: {
      model: floatName,
      tokens: float.tokens.map(({ text }, at) => ({ text, isCommon: common.b[at]!, instead: undefined })),
      tokensPerSecond: float.tokensPerSecond,
    },
    agreed: agrees.filter(Boolean).length,
  };
}
