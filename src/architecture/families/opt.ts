/**
 * OPT: learned positions of which the first two rows are no token's, ReLU. The 350M has its norms behind the
 * residual additions, and an embedding narrower than its blocks.
 */
import { activationName, parseActivation } from "../activations.ts";
import type { BlockVariant, Family } from "../family.ts";
import { layerNormModel, parseSizes, refuseVariants } from "./layer-norm-model.ts";
import { MAX } from "../model-config.ts";

const LINEARS = {
  attention: "self_attn",
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  output: "self_attn.out_proj",
  up: "fc1",
  down: "fc2",
};
const NORM_BEFORE = { ...LINEARS, attentionNorm: "self_attn_layer_norm", mlpNorm: "final_layer_norm" };
const NORM_AFTER = { ...LINEARS, attentionStreamNorm: "self_attn_layer_norm", mlpStreamNorm: "final_layer_norm" };

/** Rows of `embed_positions` before that of the first token: what padding would have. */
const POSITION_OFFSET = 2;

export const opt: Family = {
  architecture: "opt",
  className: "OPTForCausalLM",
  names: {
    embedding: "model.decoder.embed_tokens",
    positions: "model.decoder.embed_positions",
    projectIn: "model.decoder.project_in",
    blocks: "model.decoder.layers",
    block: ({ postNorm }: BlockVariant) => (postNorm ? NORM_AFTER : NORM_BEFORE),
    finalNorm: "model.decoder.final_layer_norm",
    projectOut: "model.decoder.project_out",
    head: "lm_head",
  },
  optionalPrefix: "model.",
  parseConfig: (fields) => {
    refuseVariants(fields, { enable_bias: true, layer_norm_elementwise_affine: true });
    const sizes = parseSizes(fields, {
      hidden: ["hidden_size"],
      layers: ["num_hidden_layers"],
      heads: ["num_attention_heads"],
    });
    const { hiddenSize: E } = sizes;
    const embeddingSize = fields.positiveInteger("word_embed_proj_dim", MAX.hidden, E);
    const postNorm = !fields.boolean("do_layer_norm_before", true);
    // A key of checkpoints that were made before the final norm was.
    const removesNorm = fields.boolean("_remove_final_layer_norm", false);
    return {
      ...layerNormModel("opt", sizes, {
        ffnSize: fields.positiveInteger("ffn_dim", MAX.ffn, 3072),
        rmsNormEps: 1e-5, // there is no key for another one
        positions: "learned",
        contextLength: fields.positiveInteger("max_position_embeddings", MAX.context, 2048),
        tiedEmbedding: fields.boolean("tie_word_embeddings", true),
        activation: parseActivation(fields, "activation_function", "relu"),
      }),
      positionOffset: POSITION_OFFSET,
      embeddingSize: embeddingSize === E ? undefined : embeddingSize,
      postNorm,
      finalNorm: !postNorm && !removesNorm,
    };
  },
  writeConfig: (config) => ({
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    ffn_dim: config.ffnSize,
    max_position_embeddings: config.contextLength,
    word_embed_proj_dim: config.embeddingSize ?? config.hiddenSize,
    activation_function: activationName(config.activation),
    do_layer_norm_before: !config.postNorm,
    _remove_final_layer_norm: !config.finalNorm && !config.postNorm,
    tie_word_embeddings: config.tiedEmbedding,
  }),
};
