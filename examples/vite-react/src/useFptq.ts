/** A conversation with a model that runs in a worker. */
import { useEffect, useReducer, useRef } from "react";
import type { Answer, Message, Request } from "./messages.ts";

interface Conversation {
  /** How much is loaded, 0 to 1. */
  readonly progress: number;
  readonly ready: boolean;
  /** Whether an answer is coming. */
  readonly busy: boolean;
  readonly messages: readonly Message[];
  /** Tokens a second of the last answer. */
  readonly speed: number | undefined;
  readonly error: string | undefined;
}

type Change = Answer | { readonly kind: "asked"; readonly content: string } | { readonly kind: "begun" };

const EMPTY: Conversation = { progress: 0, ready: false, busy: false, messages: [], speed: undefined, error: undefined };

function changed(state: Conversation, change: Change): Conversation {
  switch (change.kind) {
    case "begun":
      return EMPTY;
    case "progress":
      return { ...state, progress: change.progress };
    case "ready":
      return { ...state, ready: true };
    case "asked": {
      const asked: Message[] = [
        { role: "user", content: change.content },
        { role: "assistant", content: "" },
      ];
      return { ...state, busy: true, speed: undefined, error: undefined, messages: [...state.messages, ...asked] };
    }
    case "text": {
      const { role, content } = state.messages.at(-1)!;
      return { ...state, messages: [...state.messages.slice(0, -1), { role, content: content + change.text }] };
    }
    case "answered":
      return { ...state, busy: false, speed: change.speed };
    case "failed":
      return { ...state, busy: false, error: change.error };
  }
}

/** @param source a folder of `fptq quantize` or a GGUF by its address, or "hf:ORG/MODEL" */
export function useFptq(source: string) {
  const [state, change] = useReducer(changed, EMPTY);
  const worker = useRef<Worker>(undefined);
  const send = (request: Request) => worker.current?.postMessage(request);

  useEffect(() => {
    change({ kind: "begun" });
    const started = new Worker(new URL("./model-worker.ts", import.meta.url), { type: "module" });
    started.addEventListener("message", ({ data }: MessageEvent<Answer>) => change(data));
    started.addEventListener("error", ({ message }) => change({ kind: "failed", error: message || "the worker does not start" }));
    worker.current = started;
    send({ kind: "load", source });
    // Gives back the memory of the model at once.
    return () => started.terminate();
  }, [source]);

  const ask = (content: string) => {
    change({ kind: "asked", content });
    send({ kind: "ask", messages: [...state.messages, { role: "user", content }] });
  };
  return { ...state, ask, stop: () => send({ kind: "stop" }) };
}
