/** The drafts of one generation: what is foretold, as far as it is likely to pay. */
import { Acceptance } from "./acceptance.ts";
import type { DraftPolicy } from "./draft-policy.ts";
import { MatchModel } from "./match-model.ts";

export class Drafter {
  readonly #matches: MatchModel;
  readonly #acceptance = new Acceptance();
  readonly #policy: DraftPolicy;
  readonly #most: number;

  /**
   * @param prompt its ids
   * @param contextSize tokens of the sequence, at most
   * @param most tokens of a draft, at least 1
   */
  constructor(prompt: readonly number[], contextSize: number, most: number, policy: DraftPolicy) {
    // The last token of a full context is never evaluated.
    this.#matches = new MatchModel(contextSize + 1);
    this.#policy = policy;
    this.#most = most;
    for (const id of prompt) this.#matches.push(id);
  }

  /** Takes the next token of the text. */
  push(id: number): void {
    const { length, next } = this.#matches;
    if (length > 0) this.#acceptance.record(length, next === id);
    this.#matches.push(id);
  }

  /**
   * The tokens to draft now.
   * @param room how many there may be
   * @param ends tokens after which nothing comes: they are drawn, and never go through the model
   */
  draft(room: number, ends: ReadonlySet<number>): number[] {
    const { length } = this.#matches;
    if (length === 0 || room < 1) return [];
    const draft = this.#matches.draft(Math.min(this.#most, room));
    const end = draft.findIndex((id) => ends.has(id));
    const useful = end < 0 ? draft : draft.slice(0, end);
    const chances = useful.map((_, i) => this.#acceptance.chance(length + i));
    return useful.slice(0, this.#policy.length(chances));
  }
}
