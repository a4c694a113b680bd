/** What the views are given. */
import type { Chats } from "../chats.ts";
import type { Comparer } from "../comparer.ts";
import type { Engine } from "../engine.ts";
import type { Quantizer } from "../quantizer.ts";
import type { State } from "../state.ts";

export interface Page {
  readonly state: State;
  readonly engine: Engine;
  readonly chats: Chats;
  readonly comparer: Comparer;
  readonly quantizer: Quantizer;
  /** Asks for the page to be drawn again. */
  changed(): void;
}
