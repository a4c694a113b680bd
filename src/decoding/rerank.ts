/**
 * How well documents answer a query, as Qwen3-Reranker was trained to say it (its model card): the model is
 * asked whether a document meets the requirements, and
 *
 *   score = exp(yes) / (exp(no) + exp(yes))      of the logits of these two tokens after the prompt
 *
 * All prompts begin alike up to the document, so that part is computed once.
 */
import { OptionError, UnsupportedModelError } from "../errors.ts";
import type { Transformer } from "../model/transformer.ts";
import { shown } from "../need.ts";
import { type OptionKeys, optionKeys } from "../option-keys.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { roomForTogether } from "./together.ts";

/** How documents are put in order. */
export interface RerankOptions {
  /** What the query asks for; default: passages that answer a web search, in the model card's words. */
  readonly instruction?: string | undefined;
  /** Ends the work with an `AbortError`. */
  readonly signal?: AbortSignal | undefined;
}

export const RERANK_OPTIONS: OptionKeys = optionKeys<RerankOptions>({ instruction: 0, signal: 0 });

export interface RerankingModel {
  readonly tokenizer: Pick<Tokenizer, "encode" | "tokenToId">;
  readonly forwardPass: Transformer;
}

const INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query";
const BEFORE =
  "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
  'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n';
const AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
/** Tokens of the prompt that the model reads as tokens. */
const MARKS = ["<|im_start|>", "<|im_end|>", "<think>", "</think>"];

/** What a model is asked about documents: a prompt for each, and the tokens that answer it. */
export interface RerankingPrompts {
  readonly prompts: readonly (readonly number[])[];
  readonly answers: readonly [no: number, yes: number];
}

/**
 * @returns a score from 0 to 1 for each document, in order
 * @throws as `rerankingPrompts`
 */
export function rerank(
  model: RerankingModel,
  query: string,
  documents: readonly string[],
  { instruction, signal }: RerankOptions,
): Promise<number[]> {
  return rerankingScores(model, rerankingPrompts(model, query, documents, instruction), signal);
}

/**
 * @throws UnsupportedModelError for a model whose tokenizer lacks a token of the prompt; OptionError for a
 *   document that is too long for the context
 */
export function rerankingPrompts(
  { tokenizer, forwardPass }: RerankingModel,
  query: string,
  documents: readonly string[],
  instruction = INSTRUCTION,
): RerankingPrompts {
  const idOf = (token: string) => {
    const id = tokenizer.tokenToId(token);
    if (id === undefined)
      throw new UnsupportedModelError(`rerank: got a tokenizer without ${shown(token)}, need one that has it`);
    return id;
  };
  for (const mark of MARKS) idOf(mark);
  const answers = [idOf("no"), idOf("yes")] as const;
  const around = [BEFORE, AFTER].map((text) => tokenizer.encode(text, { addSpecialTokens: false })) as [number[], number[]];
  const prompts = documents.map((document, i) => {
    const text = `<Instruct>: ${instruction}\n<Query>: ${query}\n<Document>: ${document}`;
    // No text of query or document is a special token, so none can end its turn.
    const own = tokenizer.encode(text, { addSpecialTokens: false, parseSpecial: false });
    const ids = [...around[0], ...own, ...around[1]];
    if (ids.length <= forwardPass.contextSize) return ids;
    throw new OptionError(
      `document ${i}: got a prompt of ${ids.length} tokens, need at most ${forwardPass.contextSize}, the context the model was loaded with`,
    );
  });
  return { prompts, answers };
}

/** @returns a score from 0 to 1 for each prompt, in order */
export async function rerankingScores(
  { forwardPass }: RerankingModel,
  { prompts, answers }: RerankingPrompts,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  using beginning = forwardPass.createSequence();
  const shared = commonLength(prompts);
  if (shared > 0) await beginning.forward(prompts[0]!.slice(0, shared), { logits: "none", signal });
  const found: number[] = [];
  for (const group of roomForTogether(prompts, forwardPass)) {
    const ofGroup = group.map(async (ids) => {
      using sequence = beginning.fork();
      const logits = await sequence.forward(ids.slice(shared), { logits: "last", signal });
      return forwardPass.softmax(Float32Array.from(answers, (id) => logits![id]!), 1)[1]!; // prettier-ignore
    });
    found.push(...(await Promise.all(ofGroup)));
  }
  return found;
}

/** How many tokens all prompts begin with; each keeps one that is its own to compute. 0 for a single one. */
function commonLength(prompts: readonly (readonly number[])[]): number {
  if (prompts.length < 2) return 0;
  const most = Math.min(...prompts.map(({ length }) => length)) - 1;
  let common = 0;
  while (common < most && prompts.every((ids) => ids[common] === prompts[0]![common])) common++;
  return common;
}
