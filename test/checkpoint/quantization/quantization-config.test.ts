import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildQuantizationConfig } from "../../../src/checkpoint/quantization/quantization-config-builder.ts";
import {
  CACHE_SCHEMES,
  type CacheScheme,
  type LinearScheme,
  parseQuantizationConfig,
} from "../../../src/checkpoint/quantization/quantization-config.ts";
import { linearModules } from "../../linear-modules.ts";
import { CheckpointError, UnsupportedModelError } from "../../../src/errors.ts";
import { mulberry32 } from "../../random.ts";
import { tinyConfig } from "../../tiny-model.ts";

const test = suite("quantization config (seed 21)");
const random = mulberry32(21);

const W4: LinearScheme = { weights: "int4", groupSize: 64, activations: { kind: "static" } };
const W4_DYNAMIC: LinearScheme = { ...W4, activations: { kind: "dynamic" } };
const FP8: LinearScheme = { ...W4, activations: { kind: "fp8" } };
const FP8_E5M2: LinearScheme = { ...W4, activations: { kind: "fp8-e5m2" } };
const W8: LinearScheme = { weights: "int8", groupSize: "channel", activations: { kind: "none" } };
const FP4: LinearScheme = { weights: "fp4", groupSize: 32, activations: { kind: "dynamic" } };

const FLOAT = { type: "float", strategy: "token", dynamic: true };

type Modules = Map<string, LinearScheme | undefined>;
type Group = { targets: string[]; format: string } & Record<string, unknown>;

function modulesOf(layers: number, scheme: (layer: number, input: string) => LinearScheme | undefined): Modules {
  const modules: Modules = new Map([["model.embed_tokens", W8]]);
  for (const { name, layer, input } of linearModules(tinyConfig("llama", { layers }))) modules.set(name, scheme(layer, input));
  return modules.set("lm_head", undefined);
}

const groupsOf = (json: Record<string, unknown>) => json["config_groups"] as Record<string, Group>;

/** What a reader makes of what was built, through text as on disk. */
function assertRoundTrip(modules: Modules, kvCache: CacheScheme): void {
  const json = buildQuantizationConfig(modules, { kvCache });
  const scheme = parseQuantizationConfig(JSON.parse(JSON.stringify(json)), "config.json")!;
  for (const [name, expected] of modules) assert.equal(scheme.linear(name), expected, name);
  assert.is(scheme.kvCache, kvCache);
  for (const outside of ["model.norm", "model.layers.0.self_attn", "model.layers.99.self_attn.q_proj_b", "model.layers"]) {
    assert.is(scheme.linear(outside), undefined, outside);
  }
}

test("policies that differ by input give short targets that the Hugging Face Hub understands", () => {
  const json = buildQuantizationConfig(
    modulesOf(12, (_, input) => (input === "down" ? W4_DYNAMIC : W4)),
    { kvCache: "q8" },
  );
  assert.equal(
    Object.values(groupsOf(json)).map(({ targets }) => targets),
    [
      ["model.embed_tokens"],
      ["q", "k", "v", "o"]
        .map((letter) => `re:.*self_attn\\.${letter}_proj$`)
        .concat(["re:.*mlp\\.gate_proj$", "re:.*mlp\\.up_proj$"]),
      ["re:.*mlp\\.down_proj$"],
    ],
  );
  assert.equal(json["ignore"], ["lm_head"]);
});

test("policies that differ by layer list the layers, projections together", () => {
  const json = buildQuantizationConfig(
    modulesOf(12, (layer, input) => (input === "qkv" && layer % 5 === 1 ? W4_DYNAMIC : W4)),
    { kvCache: "f32" },
  );
  assert.equal(groupsOf(json)["group_2"]?.targets, ["re:.*layers\\.(1|6|11)\\.self_attn\\.(q_proj|k_proj|v_proj)$"]);
});

test("the whole of a small configuration", () => {
  const modules: Modules = new Map([["model.layers.0.mlp.up_proj", W4_DYNAMIC]]);
  assert.equal(buildQuantizationConfig(modules, { kvCache: "q8" }), {
    quant_method: "compressed-tensors",
    version: "0.18.0",
    format: "pack-quantized",
    quantization_status: "compressed",
    global_compression_ratio: null,
    config_groups: {
      group_0: {
        targets: ["re:.*mlp\\.up_proj$"],
        weights: { num_bits: 4, type: "int", symmetric: true, strategy: "group", group_size: 64, dynamic: false, actorder: null },
        input_activations: { num_bits: 8, type: "int", symmetric: true, strategy: "token", dynamic: true, observer: null },
        output_activations: null,
        format: "pack-quantized",
      },
    },
    ignore: [],
    kv_cache_scheme: { num_bits: 8, type: "int", symmetric: true, strategy: "tensor", dynamic: false },
    sparsity_config: {},
    transform_config: {},
  });
});

test("a scale per token and K/V head is a key of this package's own, beside a dynamic scheme", () => {
  const modules: Modules = new Map([["model.layers.0.mlp.up_proj", W4]]);
  const json = buildQuantizationConfig(modules, { kvCache: "q8t" });
  assert.equal(json["kv_cache_scheme"], {
    num_bits: 8, type: "int", symmetric: true, strategy: "token", dynamic: true, observer: null, per_kv_head: true,
  }); // prettier-ignore
  for (const kvCache of CACHE_SCHEMES) assertRoundTrip(modules, kvCache);
});

test("8-bit floats are what compressed-tensors calls so; only E5M2, which it does not know, has a key of its own", () => {
  const args = ([kind, scheme]: [string, LinearScheme]) => {
    const json = buildQuantizationConfig(new Map([["model.layers.0.mlp.up_proj", scheme]]), { kvCache: "f32" });
    return [kind, groupsOf(json)["group_0"]!["input_activations"]];
  };
  const e4m3 = { num_bits: 8, type: "float", symmetric: true, strategy: "token", dynamic: true, observer: null };
  assert.equal(Object.fromEntries(Object.entries({ FP8, FP8_E5M2 }).map(args)), {
    FP8: e4m3,
    FP8_E5M2: { ...e4m3, float_format: "e5m2" },
  });
});

test("4-bit floats have a format of their own, which integer readers refuse; beside integers the whole is mixed", () => {
  const alone = buildQuantizationConfig(new Map([["model.layers.0.mlp.up_proj", FP4]]), { kvCache: "f32" });
  assert.is(alone["format"], "fp4-pack-quantized");
  const mixed = buildQuantizationConfig(modulesOf(2, () => FP4), { kvCache: "f32" }); // prettier-ignore
  assert.is(mixed["format"], "mixed-precision");
  const [embedding, linears] = Object.values(groupsOf(mixed));
  assert.is(embedding!.format, "pack-quantized");
  assert.is(linears!.format, "fp4-pack-quantized");
  const weights = {
    num_bits: 4,
    type: "float",
    symmetric: true,
    strategy: "group",
    group_size: 32,
    dynamic: false,
    actorder: null,
  };
  assert.equal(linears!["weights"], weights);
});

test("every module finds its own scheme again, for random policies", () => {
  const schemes = [
    W4,
    W4_DYNAMIC,
    FP8,
    FP8_E5M2,
    W8,
    { ...W4, groupSize: 32 },
    { ...W4, groupSize: "channel" as const },
    FP4,
    { ...FP4, groupSize: "channel" as const },
    undefined,
  ];
  for (let i = 0; i < 60; i++) {
    const bySchemes = schemes.slice(0, 1 + Math.floor(random() * schemes.length));
    const layers = 1 + Math.floor(random() * 40);
    assertRoundTrip(
      modulesOf(layers, () => bySchemes[Math.floor(random() * bySchemes.length)]),
      random() < 0.5 ? "q8" : "f32",
    );
  }
});

test("targets of different groups never match one module", () => {
  const modules = modulesOf(30, () => (random() < 0.3 ? W4_DYNAMIC : W4));
  const groups = Object.values(groupsOf(buildQuantizationConfig(modules, { kvCache: "f32" })));
  for (const name of modules.keys()) {
    const taking = groups.filter(({ targets }) =>
      targets.some((target) => (target.startsWith("re:") ? new RegExp(`^(?:${target.slice(3)})`).test(name) : target === name)),
    );
    assert.is(taking.length, name === "lm_head" ? 0 : 1, name);
  }
});

/** A valid configuration with one group, changed. */
function withGroup(change: (group: Record<string, Record<string, unknown>>, config: Record<string, unknown>) => void) {
  const config = structuredClone(buildQuantizationConfig(new Map([["model.layers.0.mlp.up_proj", W4]]), { kvCache: "f32" }));
  change(groupsOf(config)["group_0"] as unknown as Record<string, Record<string, unknown>>, config);
  return () => parseQuantizationConfig(config, "config.json");
}

function groupOf(targets: string[], groupSize: number): Record<string, unknown> {
  return { targets, format: "pack-quantized", weights: { num_bits: 4, strategy: "group", group_size: groupSize } };
}

test("an exact name goes before patterns, patterns by alphabet, classes last, ignore above all", () => {
  const scheme = withGroup((_, config) => {
    config["ignore"] = ["re:.*gate_proj"];
    config["config_groups"] = {
      class: groupOf(["Linear"], 8),
      late: groupOf(["re:model.*mlp"], 16),
      early: groupOf(["re:.*up_proj"], 32),
      exact: groupOf(["model.layers.1.mlp.up_proj"], 64),
      embedding: groupOf(["Embedding"], 128),
    };
  })()!;
  const groupSize = (name: string) => scheme.linear(name)?.groupSize;
  assert.is(groupSize("model.layers.1.mlp.up_proj"), 64);
  assert.is(groupSize("model.layers.2.mlp.up_proj"), 32);
  assert.is(groupSize("model.layers.2.mlp.down_proj"), 16);
  assert.is(groupSize("model.layers.2.self_attn.q_proj"), 8);
  assert.is(groupSize("lm_head"), 8);
  assert.is(groupSize("model.embed_tokens"), 128);
  assert.is(groupSize("model.layers.2.mlp.gate_proj"), undefined);
});

for (const [what, change] of [
  ["a version, a ratio, a way to run", (_, config) => Object.assign(config, { version: "0.9", global_compression_ratio: 1.5, run_compressed: true, dequantize: false })],
  ["no status", (_, config) => delete config["quantization_status"]],
  ["nulls", (group, config) => { Object.assign(config, { kv_cache_scheme: null, ignore: null, sparsity_config: null, transform_config: null, moe_sparsity_config: null }); Object.assign(group, { output_activations: null, special: null }); }],
  ["a dense format", (_, config) => (config["sparsity_config"] = { format: "dense", targets: [], ignore: ["lm_head"], global_sparsity: 0.13, sparsity_structure: "unstructured", registry_requires_subclass: false })],
  ["transforms that are none", (_, config) => (config["transform_config"] = { config_groups: {} })],
  ["observers and types", (group) => Object.assign(group["weights"]!, { observer: "mse", observer_kwargs: { maxshrink: 0.2 }, scale_dtype: "torch.bfloat16", zp_dtype: "torch.int8", block_structure: null })],
  ["columns ordered while rounding", (group) => (group["weights"]!["actorder"] = "weight")],
  ["columns ordered while rounding, by its other name", (group) => (group["weights"]!["actorder"] = "static")],
  ["columns in their order", (group) => (group["weights"]!["actorder"] = false)],
  ["an argument that is null", (group) => (group["weights"]!["zero_point"] = null)],
  ["a name and a class to ignore", (_, config) => (config["ignore"] = ["lm_head", "re:.*\\.gate$", "Embedding"])],
] satisfies [string, Parameters<typeof withGroup>[0]][]) {
  test(`${what}: what says how a file was made changes nothing`, () => {
    assert.equal(withGroup(change)()!.linear("model.layers.0.mlp.up_proj"), W4);
  });
} // prettier-ignore

test("keys nobody knows are noted", () => {
  const notes: string[] = [];
  const config = {
    ...buildQuantizationConfig(new Map([["lm_head", W4]]), { kvCache: "f32" }),
    off: null,
    special: 1,
    other: [0],
  };
  parseQuantizationConfig(config, "config.json", () => false, (note) => notes.push(note)); // prettier-ignore
  assert.equal(notes, ['config.json: quantization_config: keys not known and not used: "special","other"']);
});

for (const [what, change, pattern] of [
  ["sparse weights", (_, config) => (config["sparsity_config"] = { format: "sparse-24-bitmask" }), /sparsity_config: got \{"format":"sparse-24/],
  ["sparse experts", (_, config) => (config["moe_sparsity_config"] = { method: "top" }), /moe_sparsity_config: got/],
  ["columns stored in another order", (group) => (group["weights"]!["actorder"] = true), /weights: actorder: got true/],
  ["another method", (_, config) => (config["quant_method"] = "gptq"), /quant_method: got "gptq"/],
  ["not yet compressed", (_, config) => (config["quantization_status"] = "frozen"), /quantization_status: got "frozen"/],
  ["a transform", (_, config) => (config["transform_config"] = { config_groups: { u: {} , v: 1 } }), /transform_config/],
  ["another format", (group) => Object.assign(group, { format: "float-quantized" }), /group_0: format: got "float-quantized"/],
  ["an unknown key", (group) => Object.assign(group, { special: 1 }), /group_0: key: got "special", need one of targets, /],
  ["an unknown argument", (group) => (group["weights"]!["zero"] = 1), /weights: key: got "zero", need one of num_bits, /],
  ["asymmetric floats", (group) => Object.assign(group, { format: "fp4-pack-quantized", weights: { type: "float", num_bits: 4, symmetric: false } }), /weights: symmetric: got false/],
  ["4-bit floats in an integer format", (group) => Object.assign(group["weights"]!, { type: "float", num_bits: 4 }), /weights: type: got "float"/],
  ["integers in the format of floats", (group) => Object.assign(group, { format: "fp4-pack-quantized" }), /weights: type: got "int", need "float"/],
  ["eight-bit floats", (group) => Object.assign(group, { format: "fp4-pack-quantized", weights: { type: "float", num_bits: 8 } }), /num_bits 8, strategy channel.*need 4 bits by group or channel$/],
  ["floats with scales of eight bits", (group) => Object.assign(group, { format: "nvfp4-pack-quantized" }), /format: got "nvfp4-pack-quantized"/],
  ["float weights", (group) => (group["weights"]!["type"] = "float"), /weights: type: got "float"/],
  ["floats stored in another order", (group) => Object.assign(group, { format: "fp4-pack-quantized", weights: { type: "float", num_bits: 4, actorder: "group" } }), /weights: actorder: got "group"/],
  ["weights that change", (group) => Object.assign(group["weights"]!, { symmetric: false, dynamic: true }), /weights: dynamic: got true/],
  ["three bits", (group) => (group["weights"]!["num_bits"] = 3), /num_bits 3/],
  ["eight bits by block", (group) => Object.assign(group["weights"]!, { num_bits: 8, strategy: "block" }), /num_bits 8, strategy block.*need 4 or 8 bits by tensor, channel or group/],
  ["no weights", (group) => Object.assign(group, { weights: null }), /group_0: weights: got nothing, need quantized weights/],
  ["float activations with one scale", (group) => (group["input_activations"]!["type"] = "float"), /input_activations: strategy: got "tensor", need "token"/],
  ["floats of four bits", (group) => Object.assign(group["input_activations"]!, { ...FLOAT, num_bits: 4 }), /input_activations: num_bits: got 4/],
  ["float activations in groups", (group) => Object.assign(group["input_activations"]!, { ...FLOAT, group_size: 32 }), /input_activations: group_size: got 32/],
  ["static float activations", (group) => Object.assign(group["input_activations"]!, { ...FLOAT, dynamic: false }), /input_activations: dynamic: got false/],
  ["another float", (group) => Object.assign(group["input_activations"]!, { ...FLOAT, float_format: "e3m4" }), /float_format: got "e3m4", need "e4m3" or "e5m2"/],
  ["a float format of integers", (group) => (group["input_activations"]!["float_format"] = "e5m2"), /input_activations: key: got "float_format", need/],
  ["dynamic per tensor", (group) => (group["input_activations"]!["dynamic"] = true), /strategy tensor, dynamic true/],
  ["static per token", (group) => (group["input_activations"]!["strategy"] = "token"), /strategy token, dynamic false/],
  ["output activations", (group) => Object.assign(group, { output_activations: {} }), /output_activations/],
  ["an unknown class", (group) => Object.assign(group, { targets: ["Conv2d"] }), /target: got class "Conv2d", need Linear or Embedding/],
  ["a pattern that looks ahead", (group) => Object.assign(group, { targets: ["re:(?!a)"] }), /target "re:\(\?!a\)"/],
  ["too many targets", (group) => Object.assign(group, { targets: Array.from({ length: 5000 }, (_, i) => `m${i}`) }), /more than 4096/],
  ["a float cache", (_, config) => (config["kv_cache_scheme"] = { type: "float" }), /kv_cache_scheme: type/],
  ["a dynamic cache", (_, config) => (config["kv_cache_scheme"] = { strategy: "token", dynamic: true }), /dynamic cache with per_kv_head false, need/],
  ["a static cache per head", (_, config) => (config["kv_cache_scheme"] = { per_kv_head: true }), /static cache with per_kv_head true, need/],
  ["a word for per head", (_, config) => (config["kv_cache_scheme"] = { strategy: "token", dynamic: true, per_kv_head: "yes" }), /per_kv_head "yes", need/],
  ["a dynamic cache of four bits", (_, config) => (config["kv_cache_scheme"] = { strategy: "token", dynamic: true, per_kv_head: true, num_bits: 4 }), /kv_cache_scheme: num_bits: got 4/],
  ["activations per head", (group) => (group["input_activations"]!["per_kv_head"] = true), /input_activations: key: got "per_kv_head", need/],
] satisfies [string, Parameters<typeof withGroup>[0], RegExp][]) {
  test(`${what} is not supported, and the message says where`, () => {
    assert.throws(withGroup(change), (error: unknown) => error instanceof UnsupportedModelError && pattern.test(error.message));
  });
} // prettier-ignore

test("integers that are not stored as this package writes them have a scheme of their own", () => {
  const weights = (change: Parameters<typeof withGroup>[0]) => {
    const scheme = withGroup(change)();
    assert.is(scheme!.linear("model.layers.0.mlp.up_proj"), undefined);
    const { activations, ...integers } = scheme!.integers!("model.layers.0.mlp.up_proj")!;
    assert.equal(activations, { kind: "static" });
    return integers;
  };
  const packed = { layout: "packed", bits: 4, groupSize: 64, symmetric: true, anyOrder: false, zeroOffset: 0 };
  assert.equal(weights((group) => (group["weights"]!["symmetric"] = false)), { ...packed, symmetric: false }); // prettier-ignore
  assert.equal(weights((group) => (group["weights"]!["actorder"] = "group")), { ...packed, anyOrder: true }); // prettier-ignore
  assert.equal(weights((group) => (group["weights"]!["num_bits"] = 8)), { ...packed, bits: 8 }); // prettier-ignore
  const one = { strategy: "tensor", group_size: null };
  assert.equal(weights((group) => Object.assign(group["weights"]!, one)), { ...packed, groupSize: "tensor" }); // prettier-ignore
  for (const format of ["int-quantized", "naive-quantized"]) {
    assert.equal(weights((group) => Object.assign(group, { format })), { ...packed, layout: "int8" }); // prettier-ignore
  }
  const plain = withGroup(() => undefined)()!;
  assert.ok(plain.linear("model.layers.0.mlp.up_proj"));
  assert.is(plain.integers!("model.layers.0.mlp.up_proj"), undefined);
});

test("values of the wrong type are errors of the file", () => {
  for (const change of [
    (_, config) => (config["config_groups"] = [1]),
    (_, config) => (config["config_groups"] = { W4A8: ["Linear"] }),
    (_, config) => (config["ignore"] = "lm_head"),
    (group) => Object.assign(group, { targets: [3] }),
    (group) => (group["weights"]!["group_size"] = "64"),
    (group) => (group["weights"]!["group_size"] = 0),
    (group, config) => (config["config_groups"] = { a: group, b: group }),
  ] satisfies Parameters<typeof withGroup>[0][]) {
    assert.throws(withGroup(change), (error: unknown) => error instanceof CheckpointError, String(change));
  }
  assert.throws(() => parseQuantizationConfig("int4", "config.json"), /need an object/);
  assert.is(parseQuantizationConfig(null, "config.json"), undefined);
  withGroup((_, config) => (config["somebody_elses_key"] = 1))();
});

test.run();
