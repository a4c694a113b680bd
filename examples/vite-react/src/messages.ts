/** What the page and the worker say to each other. */
export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export type Request =
  | { readonly kind: "load"; readonly source: string }
  | { readonly kind: "ask"; readonly messages: readonly Message[] }
  | { readonly kind: "stop" };

export type Answer =
  | { readonly kind: "progress"; readonly progress: number }
  | { readonly kind: "ready" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "answered"; readonly speed: number }
  | { readonly kind: "failed"; readonly error: string };
