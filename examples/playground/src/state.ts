/** Everything the page shows. One object, changed by the controllers, drawn by the views. */
import type { GenerationResult, Progress, QuantizationReport } from "fptq";
import type { Asked } from "./asked.ts";
import type { Called } from "./call-functions.ts";
import type { SavedChat } from "./chat-store.ts";
import type { Explanation } from "./explain.ts";
import type { ModelDescription, Source } from "./messages.ts";
import type { QuantityName } from "./measured.ts";
import type { Comparison } from "./comparer.ts";
import type { LayerPolicies } from "./policies.ts";
import type { Digest } from "./views/exact.ts";
import type { FormedAnswer } from "./views/forms.ts";
import type { Found } from "./views/search.ts";

export type View = "chat" | "forms" | "tools" | "search" | "compare" | "layers" | "exact" | "quantize";

export type Loading =
  | { readonly kind: "loading"; readonly progress: Progress | undefined }
  | { readonly kind: "ready"; readonly model: ModelDescription }
  | { readonly kind: "failed"; readonly why: Explanation }
  | { readonly kind: "cancelled" };

export interface Message {
  readonly role: "user" | "assistant";
  content: string;
  /** The result of an answer that ended. */
  result?: GenerationResult;
}

export type Quantizing =
  | { readonly kind: "idle" }
  | { readonly kind: "running"; readonly name: string; readonly progress: Progress | undefined }
  | {
      readonly kind: "done";
      /** What was quantized. */
      readonly source: Source;
      readonly files: readonly File[];
      readonly report: QuantizationReport;
      readonly policies: LayerPolicies;
    }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly why: Explanation };

export interface State {
  view: View;
  source: Source;
  loading: Loading;
  /** What works, but not as it might be wanted. */
  warnings: string[];
  policies: LayerPolicies | undefined;
  /** SHA-256 of the index of the model's files, which has the digest of each; undefined without one. */
  indexHash: string | undefined;
  /** The layer that is looked at, and the quantity drawn over all layers. */
  layer: number;
  quantity: QuantityName;
  form: Asked<FormedAnswer>;
  called: Asked<Called>;
  found: Asked<Found>;
  /** All computations in this page, the last at the end. */
  digest: Asked<readonly Digest[]>;
  comparison: Asked<Comparison>;
  /** How far the float model of a comparison is loaded. */
  referenceProgress: Progress | undefined;
  /** What a model was quantized from in this page. */
  original: { readonly of: Source; readonly source: Source } | undefined;
  /** What the model is told before the conversation; empty for nothing. */
  system: string;
  messages: Message[];
  /** Chats that are kept, the latest first; "none" where none can be. Undefined until they are known. */
  chats: readonly SavedChat[] | "none" | undefined;
  /** The chat deleted last, which can be taken back. */
  removed: SavedChat | undefined;
  /** Whether the settings, which lie over a narrow page, are open. */
  sheet: boolean;
  /**
   * Milliseconds at which text began to come, and how many pieces there were; undefined when nothing is
   * generated.
   */
  generating: { startedAt: number | undefined; pieces: number } | undefined;
  /** What is being written. */
  draft: string;
  chatError: Explanation | undefined;
  quantizing: Quantizing;
  /** A sentence for screen readers, where something ended that they would not hear of otherwise. */
  announcement: string;
}

export const initialState = (source: Source): State => ({
  view: "chat",
  source,
  loading: { kind: "loading", progress: undefined },
  warnings: [],
  policies: undefined,
  indexHash: undefined,
  layer: 0,
  quantity: "range",
  form: { kind: "idle" },
  called: { kind: "idle" },
  found: { kind: "idle" },
  digest: { kind: "idle" },
  comparison: { kind: "idle" },
  referenceProgress: undefined,
  original: undefined,
  system: "",
  messages: [],
  chats: undefined,
  removed: undefined,
  sheet: false,
  generating: undefined,
  draft: "",
  chatError: undefined,
  quantizing: { kind: "idle" },
  announcement: "",
});
