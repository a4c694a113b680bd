/** `fptq export` over the real library and tiny models: what it writes, says and refuses. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CONFIGS, familyFolder } from "../architecture/family-folder.ts";
import { buildGguf } from "../checkpoint/gguf/gguf-fixture.ts";
import { tinyGguf } from "../checkpoint/gguf/tiny-gguf.ts";
import type { MemoryFolder } from "../memory-folder.ts";
import { tinyModel } from "../tiny-model.ts";
import { runCli } from "./command-harness.ts";

const SEED = 229;
const test = suite(`export (seed ${SEED})`);
const parent = mkdtempSync(join(tmpdir(), "fptq-export-"));
test.after(() => rmSync(parent, { recursive: true }));

const library = await import("../../src/index.ts");
const fptq = (...words: string[]) => runCli(words, { library });
const at = (name: string) => join(parent, name);

function write(name: string, { files }: MemoryFolder): string {
  mkdirSync(at(name));
  for (const [fileName, { bytes }] of files) writeFileSync(join(at(name), fileName), bytes);
  return at(name);
}
const model = write("model", tinyModel(SEED));
/** Blocks of Q4_0: codes that every form here can keep. */
const blocks = at("blocks.gguf");
writeFileSync(blocks, buildGguf(tinyGguf({ architecture: "llama", type: "Q4_0", size: "small", seed: SEED }).fixture).bytes);

/** In two layers. */
const blockModules = 14;
const inspect = async (path: string) => JSON.parse((await fptq("inspect", path, "--json")).stdout);
/** What is left of unfinished outputs would stand beside them. */
const besides = () => readdirSync(parent).filter((name) => !/^(model|blocks\.gguf|out\.\S+|opt|folder-\S+)$/.test(name));

for (const [type, weights] of [
  ["F32", "F32"],
  ["F16", "F16"],
  ["Q8_0", "Q8_0"],
  ["Q4_0", "Q4_0"],
  ["Q4_1", "Q4_1"],
] as const) {
  test(`--type ${type}: a GGUF that inspect and run read`, async () => {
    const path = at(`out.${type}.gguf`);
    const { code, stdout, stderr } = await fptq("export", model, "-o", path, "--type", type, "--json");
    assert.is(code, 0, stderr);
    const done = JSON.parse(stdout);
    const bytes = readFileSync(path).length;
    assert.equal(done, { tensors: 29, bytes, rounded_blocks: 0, notes: [] });
    assert.match(stderr, new RegExp(`^wrote .*out\\.${type}\\.gguf: 29 tensors, [0-9.]+ [KM]iB$`, "m"));
    const { format, architecture, tensors, run } = await inspect(path);
    assert.equal([format, architecture, run.runs], ["gguf", "llama", true]);
    const types = new Map(tensors.map(({ name, dtype }: { name: string; dtype: string }) => [name, dtype]));
    assert.is(types.get("model.layers.1.mlp.up_proj.weight"), weights);
    assert.is(types.get("model.embed_tokens.weight"), type.startsWith("Q") ? "Q8_0" : weights);
    const text = await fptq("run", "-m", path, "-p", "the cat", "-n", "2", "--ignore-eos", "--json");
    assert.is(text.code, 0, text.stderr);
    assert.is(JSON.parse(text.stdout).tokens.length, 2);
  });
}

test("F16 is the default, and stdout stays empty without --json", async () => {
  const { code, stdout, stderr } = await fptq("export", model, "-o", at("out.default.gguf"));
  assert.is(code, 0, stderr);
  assert.is(stdout, "");
  assert.ok(readFileSync(at("out.default.gguf")).equals(readFileSync(at("out.F16.gguf"))));
});

for (const [format, layout] of [
  ["w4a16", "pack-quantized"],
  ["w4a8-int", "int-quantized"],
] as const) {
  test(`--format ${format}: a folder of the codes`, async () => {
    const path = at(`folder-${format}`);
    const { code, stdout, stderr } = await fptq("export", blocks, "-o", path, "--format", format, "--json");
    assert.is(code, 0, stderr);
    const { tensors, bytes, rounded_blocks: rounded, notes } = JSON.parse(stdout);
    assert.is(rounded, 0);
    const info = await inspect(path);
    assert.is(info.bytes, bytes);
    // Codes and scales of a byte-wise module are shown as one tensor.
    assert.is(info.tensors.length, format === "w4a16" ? tensors : tensors - blockModules);
    assert.is(info.run.runs, true);
    for (const note of notes) assert.ok(stderr.includes(note));
    const config = JSON.parse(readFileSync(join(path, "config.json"), "utf8"));
    assert.is(config.quantization_config.format, layout);
    const [group] = Object.values<{ input_activations: { num_bits: number } | null }>(config.quantization_config.config_groups);
    assert.is(group!.input_activations?.num_bits, format === "w4a16" ? undefined : 8);
  });
}

test("an output that is there is left alone, unless --force", async () => {
  for (const [path, ...words] of [
    [at("out.F32.gguf"), model, "--type", "Q8_0"],
    [at("folder-w4a16"), blocks, "--format", "w4a8-int"],
  ] as const) {
    const file = path.endsWith("gguf") ? path : join(path, "config.json");
    const before = readFileSync(file);
    const { code, stdout, stderr } = await fptq("export", ...words, "-o", path);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.match(stderr, /^error: .*(out\.F32\.gguf|folder-w4a16).*--force/);
    assert.ok(readFileSync(file).equals(before));
    const forced = await fptq("export", ...words, "-o", path, "--force");
    assert.is(forced.code, 0, forced.stderr);
    assert.not.ok(readFileSync(file).equals(before));
  }
  assert.equal(besides(), []);
});

test("what has no such form is refused in a sentence, and nothing is written", async () => {
  const opt = {
    architectures: ["OPTForCausalLM"], model_type: "opt", vocab_size: 40, hidden_size: 32, num_hidden_layers: 1, ffn_dim: 64,
    num_attention_heads: 4, max_position_embeddings: 24, word_embed_proj_dim: 32,
  }; // prettier-ignore
  const cases = [
    [[write("opt", familyFolder(opt, SEED).folder), "--type", "F16"], /opt: got OPTForCausalLM, which has no form as a GGUF/],
    [[model, "--format", "w4a16"], /q_proj: got floats, need 4-bit symmetric weights$/m],
    [[at("out.Q8_0.gguf"), "--format", "w4a8-int"], /q_proj: got .*, need 4-bit symmetric weights$/m],
    [[at("out.Q4_1.gguf"), "--format", "w4a16"], /q_proj: got .*, need 4-bit symmetric weights$/m],
    [[at("missing"), "--type", "F16"], /missing: got nothing, need a file or folder/],
  ] as const;
  for (const [words, sentence] of cases) {
    const { code, stdout, stderr } = await fptq("export", ...words, "-o", at("nothing"));
    assert.is(code, 1, stderr);
    assert.is(stdout, "");
    assert.match(stderr, /^error: /m);
    assert.match(stderr, sentence);
    assert.not.ok(existsSync(at("nothing")));
  }
  const windows = write("folder-windows", familyFolder({ ...CONFIGS.gemma2, query_pre_attn_scalar: 24 }, SEED).folder);
  const { code, stderr } = await fptq("export", windows, "-o", at("nothing"));
  assert.is(code, 1);
  assert.match(stderr, /scoreDivisor: got 4\.89\d*, which a GGUF of gemma2 cannot say: it would be 4$/m);
  assert.equal(besides(), []);
});

test("options are checked before a model is opened", async () => {
  const cases = [
    [["-o", "x", "--type", "Q4_K"], /--type.*Q4_K.*F32, F16, Q8_0, Q4_0, Q4_1/],
    [["-o", "x", "--format", "onnx"], /--format.*onnx.*gguf, w4a16, w4a8-int/],
    [["-o", "x", "--format", "w4a16", "--type", "F16"], /--type: got F16 beside --format w4a16, need it for a GGUF only/],
    [[], /-o, --output <path>/],
  ] as const;
  for (const [words, sentence] of cases) {
    const { code, stderr } = await runCli(["export", "nowhere", ...words]);
    assert.is(code, 2, stderr);
    assert.match(stderr, sentence);
  }
});

test.run();
