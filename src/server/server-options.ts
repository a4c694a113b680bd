/** What a server is told, with llama-server's names where it has them. */
import type { Context } from "hono";
import type { EmbedOptions } from "../decoding/embed.ts";
import type { LanguageModel } from "../decoding/language-model.ts";
import type { SlotStore } from "./slots.ts";
import type { ShutdownOptions } from "./shutdown.ts";

/** A loaded model, or what loads one with the first request: an isolate begins with a request. */
export type ServedModel = LanguageModel | (() => Promise<LanguageModel>);

/** What a server answers, to whom, and how much at a time. */
export interface ServerOptions {
  /** What clients see as the model's name. Default "fptq". */
  readonly alias?: string | undefined;
  /**
   * Requests that are answered at a time; the model wants room for them (`cacheTokens`, `maxSequences`).
   * Default 4.
   */
  readonly parallel?: number | undefined;
  /** Requests that may wait besides; others are told to come back (429). Default 64. */
  readonly maxWaiting?: number | undefined;
  /** Most tokens of an answer, and of one that does not say. Default: what the context has room for. */
  readonly maxTokens?: number | undefined;
  /** Keys of which clients have to show one (`Authorization: Bearer KEY`). Default: none is asked for. */
  readonly apiKeys?: readonly string[] | undefined;
  /**
   * Tells clients apart by their address, where there are no keys, so that their requests wait in turn:
   * `(c) => getConnInfo(c).remote.address` of hono's adapter for the place. Default: all are one client.
   */
  readonly clientAddress?: ((c: Context) => string | undefined) | undefined;
  /** Origin whose pages may read answers, or "*". Default: none. */
  readonly corsOrigin?: string | undefined;
  /** Largest body of a request in bytes. Default 4 MiB, a batch of long prompts as token ids. */
  readonly maxBodyBytes?: number | undefined;
  /** Whether it gives vectors of texts. Default: if the checkpoint says how its states become vectors. */
  readonly embedding?: boolean | undefined;
  /** How they do; default as the checkpoint says. */
  readonly pooling?: EmbedOptions["pooling"];
  /** Whether it orders documents, for models trained for that (Qwen3-Reranker). Default false. */
  readonly rerank?: boolean | undefined;
  /** Where clients may save what slots remember. Default: nowhere, and there are no slots. */
  readonly slots?: SlotStore | undefined;
  /**
   * Ends the server: requests that come then are told to try again (503), and `/health` says so. What is
   * being answered goes on until it is cut off, with an error in its stream.
   */
  readonly shutdown?: ShutdownOptions | undefined;
  /** Told of failures of the server's own; clients hear only that there was one. Default: console. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /**
   * Keeps a Worker alive until what its client no longer waits for has been put in order. Absent where
   * processes live on.
   */
  readonly waitUntil?: ((work: Promise<unknown>) => void) | undefined;
}
