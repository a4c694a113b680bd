/**
 * Shapes of real models' linear layers, y[M, N] = x[M, K] w[N, K]^T, as the forward pass runs them: q, k and
 * v together, gate and up too.
 */
export interface LinearShape {
  /** `smollm2-135m/qkv` */
  name: string;
  N: number;
  K: number;
  /** Group size of 4-bit weights: the default for this K (128 where it divides K, else 64). */
  G: number;
  /** Prompt tokens in a prefill row. */
  M: number;
}

interface Model {
  name: string;
  hidden: number;
  ffn: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
  promptTokens: number;
}

/** From the models' `config.json`. */
export const MODELS: Model[] = [
  {
    name: "smollm2-135m",
    hidden: 576,
    ffn: 1536,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    vocab: 49152,
    promptTokens: 512,
  },
  {
    name: "llama-3.2-1b",
    hidden: 2048,
    ffn: 8192,
    heads: 32,
    kvHeads: 8,
    headDim: 64,
    vocab: 128256,
    promptTokens: 512,
  },
  {
    name: "llama-2-7b",
    hidden: 4096,
    ffn: 11008,
    heads: 32,
    kvHeads: 32,
    headDim: 128,
    vocab: 32000,
    promptTokens: 512,
  },
];

const groupSize = (K: number) => (K % 128 === 0 ? 128 : 64);

/** The four linear layers of a transformer block, for each model. */
export const LAYERS: LinearShape[] = MODELS.flatMap(({ name, hidden, ffn, heads, kvHeads, headDim, promptTokens }) =>
  (
    [
      ["qkv", (heads + 2 * kvHeads) * headDim, hidden],
      ["o", hidden, heads * headDim],
      ["up", 2 * ffn, hidden],
      ["down", hidden, ffn],
    ] as const
  ).map(([layer, N, K]) => ({ name: `${name}/${layer}`, N, K, G: groupSize(K), M: promptTokens })),
);

/** The head of each model: 8 bits, one scale per channel. */
export const HEADS: LinearShape[] = MODELS.map(({ name, hidden, vocab, promptTokens }) => ({
  name: `${name}/head`,
  N: vocab,
  K: hidden,
  G: hidden,
  M: promptTokens / 16,
}));
