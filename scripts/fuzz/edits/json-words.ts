/** What edits know of each JSON file: keys with values that mean something, and where to begin. */
import type { JsonWords } from "./json-edits.ts";

const ROPE = [
  null,
  { rope_type: "linear", factor: 2 },
  { rope_type: "linear", factor: 1e-30 },
  { type: "dynamic", factor: 2 },
  { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 },
  { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 1, original_max_position_embeddings: 32 },
  { rope_type: "llama3", factor: 1e308, low_freq_factor: 1e-300, high_freq_factor: 1e308, original_max_position_embeddings: 1 },
  { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32 },
  { rope_type: "longrope", short_factor: [1], long_factor: [1] },
  { rope_type: "default", rope_theta: 1e-300, partial_rotary_factor: 0.1 },
];
const COUNTS = [0, 1, 2, 3, 4, 16, 31, 33, 64, 65536, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -1, 0.5, "2", null, [2]];
const NUMBERS = [0, -1, 1e-45, 1e-300, 1e300, 1, 2, null, "1e-5"];

export const CONFIG: JsonWords = {
  values: ["silu", "gelu", "relu", "LlamaForCausalLM", "GPT2LMHeadModel", "float32", 2 ** 31],
  entries: [
    ["architectures", ["LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "GPT2LMHeadModel", "PhiForCausalLM", "GPTNeoXForCausalLM", "BloomForCausalLM", "Starcoder2ForCausalLM", "StableLmForCausalLM",
      "CohereForCausalLM", "OPTForCausalLM", "Lfm2ForCausalLM", "Qwen3Model", "X"].map((name) => [name])],
    ["model_type", ["llama", "mistral", "qwen2", "qwen3", "gpt2", "phi", "gpt_neox", "bloom", "stablelm", "cohere", "opt", "lfm2", "x"]],
    ...["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "n_embd", "n_layer",
      "n_head", "n_inner", "n_positions", "sliding_window", "max_window_layers", "original_max_position_embeddings",
      "word_embed_proj_dim", "ffn_dim", "conv_L_cache", "block_ff_dim", "block_multiple_of"].map((key) => [key, COUNTS] as const),
    ["max_position_embeddings", [...COUNTS, 2 ** 20, 2 ** 24]],
    ...["rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "rope_theta", "rotary_emb_base", "rotary_pct", "partial_rotary_factor", "attention_multiplier",
      "logit_scale", "norm_eps", "block_ffn_dim_multiplier", "initializer_range"].map((key) => [key, NUMBERS] as const),
    ["rope_scaling", ROPE],
    ["rope_parameters", ROPE],
    ...["tie_word_embeddings", "attention_bias", "mlp_bias", "use_sliding_window", "use_parallel_residual", "qk_layernorm", "apply_residual_connection_post_layernorm",
      "scale_attn_by_inverse_layer_idx", "slow_but_exact", "do_layer_norm_before", "_remove_final_layer_norm", "use_qk_norm", "use_qkv_bias", "conv_bias",
      "block_auto_adjust_ff_dim"].map((key) => [key, [true, false, null, 1]] as const),
    ["hidden_act", ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "swish", ""]],
    ["activation_function", ["gelu_new", "gelu", "relu", ""]],
    ["layer_types", [["full_attention"], ["sliding_attention"], [], ["full_attention", "full_attention"], ["conv", "full_attention"], ["conv", "conv", "conv"], ["x"], Array.from({ length: 3000 }, () => "full_attention")]],
    ["full_attn_idxs", [[], [0], [1, 1], [2 ** 31], [-1], "x"]],
    ["eos_token_id", [0, 5, [1, 2], [], -1, 2 ** 40, null]],
    ["quantization_config", [null, {}, { quant_method: "gptq", bits: 4 }, { quant_method: "compressed-tensors" }]],
  ],
}; // prettier-ignore

export const GENERATION: JsonWords = {
  entries: [
    ["eos_token_id", [0, [0, 1, 2], [], [-1], 2 ** 53, "2", null, Array.from({ length: 3000 }, (_, i) => i)]],
    ...["temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty"].map((key) => [key, NUMBERS] as const),
    ["do_sample", [true, false, "x"]],
    ["bos_token_id", [0, -1, null, [1]]],
  ],
};

export const INDEX: JsonWords = {
  focus: [["weight_map"], ["metadata"]],
  values: ["model-1-of-3.safetensors", "model-2-of-3.safetensors", "model-9.safetensors", "../model-1-of-3.safetensors", "/etc/x.safetensors", "config.json",
    "http://localhost/x.safetensors", "model-1-of-3.safetensors?x", ".safetensors"],
  entries: [
    ["total_size", NUMBERS],
    ["shards", [{}, [], { "model-1-of-3.safetensors": { bytes: 1, sha256: "x" } }, { "model-1-of-3.safetensors": { bytes: 48560, sha256: "0".repeat(64) } }]],
    ["model.norm.weight", ["model-1-of-3.safetensors", "model-2-of-3.safetensors"]],
    ["x.weight", ["model-1-of-3.safetensors"]],
  ],
}; // prettier-ignore

const QUADRATIC = "(a+)+$";
const PATTERNS = [{ String: " " }, { String: "" }, { Regex: "a" }, { Regex: "" }, { Regex: "(" }, { Regex: "[" }, { Regex: "\\p{L}" }, { Regex: "\\p{X}" }, { Regex: "(?i:a)" },
  { Regex: "(?<=a)b" }, { Regex: "\\s+(?!\\S)" }, { Regex: QUADRATIC }, { Regex: "(a|aa)+$" }, { Regex: "(?:a*)*b" }, { Regex: "^" }, { Regex: "\\u{110000}" }, {}, "x"]; // prettier-ignore
const split = (pattern: unknown, behavior = "Isolated") => ({ type: "Split", pattern, behavior, invert: false });
const NORMALIZERS = [null, {}, { type: "NFC" }, { type: "NFKC" }, { type: "Lowercase" }, { type: "Strip", strip_left: true, strip_right: true }, { type: "StripAccents" },
  { type: "Sequence", normalizers: [] }, { type: "Sequence", normalizers: [{ type: "NFD" }, null] }, { type: "Sequence" }, { type: "Prepend", prepend: "x" }, { type: "Precompiled" },
  { type: "BertNormalizer" }, { type: "Nope" }, "NFC", ...PATTERNS.map((pattern) => ({ type: "Replace", pattern, content: "a" })), { type: "Replace", pattern: { String: "a" } }]; // prettier-ignore
const PRE_TOKENIZERS = [null, {}, { type: "ByteLevel", add_prefix_space: true, use_regex: false }, { type: "Whitespace" }, { type: "WhitespaceSplit" }, { type: "Digits", individual_digits: true },
  { type: "Punctuation", behavior: "Isolated" }, { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always" }, { type: "Metaspace" }, { type: "Sequence", pretokenizers: [null, 1] },
  { type: "BertPreTokenizer" }, { type: "Nope" }, [], "x", ...PATTERNS.map((pattern) => split(pattern)), split({ String: " " }, "Removed"), split({ String: " " }, "MergedWithNext")]; // prettier-ignore
const DECODERS = [null, {}, { type: "ByteLevel" }, { type: "ByteFallback" }, { type: "Fuse" }, { type: "Metaspace", replacement: "\u2581" }, { type: "Strip", content: " ", start: 1, stop: 0 },
  { type: "Strip", content: "", start: 2 ** 31, stop: -1 }, { type: "WordPiece", prefix: "##" }, { type: "Sequence", decoders: [{ type: "ByteFallback" }, { type: "Fuse" }] },
  { type: "Sequence", decoders: [null] }, { type: "Replace", pattern: { String: "a" }, content: "b" }, { type: "Replace", pattern: { Regex: QUADRATIC }, content: "b" }, { type: "Nope" }, "x"]; // prettier-ignore
const special = (id: unknown) => ({ SpecialToken: { id, type_id: 0 } });
const A = { Sequence: { id: "A", type_id: 0 } };
const POST_PROCESSORS = [null, {}, { type: "ByteLevel" }, { type: "TemplateProcessing", single: [special("<|im_start|>"), A], pair: [], special_tokens: {} },
  { type: "TemplateProcessing", single: [special("<|im_start|>"), A], pair: [A], special_tokens: { "<|im_start|>": { id: "<|im_start|>", ids: [1], tokens: ["<|im_start|>"] } } },
  { type: "TemplateProcessing", single: [special("nope"), A], pair: [], special_tokens: {} }, { type: "TemplateProcessing", single: [], pair: [] }, { type: "TemplateProcessing" },
  { type: "BertProcessing", sep: ["a", 1], cls: ["b", 2] }, { type: "RobertaProcessing", sep: ["a", 1], cls: ["b", 2] }, { type: "Sequence", processors: [{ type: "ByteLevel" }, null] }, { type: "Nope" }]; // prettier-ignore
const ADDED = [{ id: 263, content: "a", special: true }, { id: 300, content: "cat", special: false, lstrip: true, rstrip: true, single_word: true, normalized: true }, { id: 4194303, content: "x" },
  { id: 5, content: "(a+)+" }, { id: 6, content: "\ud800", special: true }, { id: -1, content: "x" }, { id: 1, content: "" }, null, { id: 7, content: "a".repeat(5000), special: true }]; // prettier-ignore

export const TOKENIZER: JsonWords = {
  focus: [["added_tokens"], ["pre_tokenizer"], ["decoder"], ["model"], ["model", "merges"], ["normalizer"], ["post_processor"]],
  values: ["a a", ["a", "a"], "a", "\u0120", "<|im_end|>", ...ADDED],
  entries: [
    ["normalizer", NORMALIZERS],
    ["pre_tokenizer", PRE_TOKENIZERS],
    ["decoder", DECODERS],
    ["post_processor", POST_PROCESSORS],
    ["added_tokens", [[], null, ...ADDED.map((token) => [token]), Array.from({ length: 500 }, (_, i) => ({ id: i, content: `t${i}`, special: true }))]],
    ["truncation", [null, { max_length: 2, strategy: "LongestFirst", stride: 0, direction: "Right" }]],
    ["padding", [null, { strategy: { Fixed: 512 }, pad_id: 0, pad_token: "x", pad_type_id: 0, direction: "Right" }]],
    ["type", ["BPE", "WordPiece", "Unigram", "WordLevel", "", null]],
    ["vocab", [{}, [], { a: 0 }, { a: 0, b: 0 }, { __proto__: 1 }, { a: 2 ** 22 }, { a: 2 ** 22 - 1 }]],
    ["merges", [[], [["a", "b"]], ["a b c"], [" a"], ["a "], [["a"]], Array.from({ length: 3000 }, () => "a a")]],
    ["unk_token", [null, "<|endoftext|>", "nope", 1, ""]],
    ["byte_fallback", [true, false, 1]],
    ["ignore_merges", [true, false]],
    ["fuse_unk", [true, false]],
    ["dropout", [null, 0.5, 1, 0]],
    ["continuing_subword_prefix", [null, "##", ""]],
    ["end_of_word_suffix", [null, "</w>", ""]],
  ] as unknown as NonNullable<JsonWords["entries"]>,
}; // prettier-ignore

export const TOKENIZER_CONFIG: JsonWords = {
  entries: [
    ...["bos_token", "eos_token", "unk_token", "pad_token", "x_token"].map((key) => [key, ["<|im_end|>", "a", "", null, { content: "<|im_start|>" }, { content: 1 }, 5]] as const),
    ["clean_up_tokenization_spaces", [true, false, "x"]],
    ["add_prefix_space", [true, false]],
    ["add_bos_token", [true, false, "x"]],
    ["tokenizer_class", ["LlamaTokenizer", "T5Tokenizer", "BertTokenizer", "NllbTokenizer", "", null, {}]],
    ["model_max_length", [0, -1, 1e30]],
    ["language_codes", [[], ["a"], "x"]],
    ["chat_template", [null, "", [], {}, 1]],
    ["remove_space", [true, false]],
    ["added_tokens_decoder", [{}, { "0": { content: "x" } }, []]],
  ],
}; // prettier-ignore

const ARGS = { num_bits: 8, type: "int", symmetric: true, strategy: "token", dynamic: true };
export const QUANTIZATION: JsonWords = {
  focus: [["quantization_config"], ["quantization_config", "config_groups"], ["quantization_config", "config_groups"], ["quantization_config", "ignore"], ["quantization_config", "kv_cache_scheme"]],
  values: ["re:.*", "re:(a|a)*b", "re:(.{0,999}){0,999}", "re:(", "re:model\\.layers\\.0.*", "Linear", "Embedding", "Conv1D", "pack-quantized", "fp4-pack-quantized", "int4m-pack-quantized", "static", "group", "channel", "tensor", "token"],
  entries: [
    ["num_bits", [2, 3, 4, 8, 16]],
    ["group_size", [-1, 0, 1, 4, 8, 16, 32, 64, 128, 2 ** 20, null]],
    ["strategy", ["group", "channel", "tensor", "token", "block"]],
    ["symmetric", [true, false, null]],
    ["type", ["int", "float", "x"]],
    ["dynamic", [true, false, "local"]],
    ["actorder", [null, "group", "static"]],
    ["zp_dtype", ["torch.int8", null]],
    ["scale_dtype", ["torch.float16", null]],
    ["format", ["pack-quantized", "fp4-pack-quantized", "int4m-pack-quantized", "conv1d-pack-quantized", "int-quantized", "naive-quantized", "marlin-24", null]],
    ["float_format", ["e4m3", "e5m2", "x"]],
    ["input_activations", [null, ARGS, { ...ARGS, strategy: "tensor", dynamic: false }, { ...ARGS, num_bits: 4 }, { num_bits: 8, type: "float", strategy: "token", dynamic: true, symmetric: true }]],
    ["output_activations", [null, ARGS]],
    ["kv_cache_scheme", [null, { ...ARGS, strategy: "tensor", dynamic: false }, ARGS, { ...ARGS, per_kv_head: true }]],
    ["per_kv_head", [true, false, "all", 1]],
    ["online_transforms", [true, false, 1, null]],
    ["transform_config", [{}, { fptq: {} }, { fptq: { residual_scaling: true } }, { fptq: { down_hadamard: 4 }, R1: {} }, { fptq: { rotation: 2 } }]],
    ...["residual_hadamard", "down_hadamard"].map((key) => [key, COUNTS] as const),
    ["targets", [[], ["Linear"], ["re:.*"], ["re:.*down_proj$"], ["model.layers.0.mlp.down_proj"], ["X"], Array.from({ length: 5000 }, (_, i) => `re:${i}`)]],
    ["ignore", [[], ["lm_head"], ["re:.*"], ["Linear"], ["model.embed_tokens"], null]],
    ["quant_method", ["compressed-tensors", "gptq", "awq", "bitsandbytes", "fp8"]],
    ["bits", [2, 3, 4, 8, "4", null]],
    ["desc_act", [true, false, null, 1]],
    ["sym", [true, false, null]],
    ["checkpoint_format", ["gptq", "gptq_v2", "marlin", null]],
    ["pack_dtype", ["int32", "int8"]],
    ["dynamic", [{}, { "-:.*down_proj": {} }]],
    ["version", ["gemm", "GEMM", "gemv", 1]],
    ["zero_point", [true, false]],
    ["quantization_status", ["compressed", "frozen", null]],
    ["sparsity_config", [{}, { format: "dense" }, { format: "sparse-24" }]],
    ["transform_config", [{}, { config_groups: {} }, { config_groups: { a: {} } }]],
  ],
}; // prettier-ignore
