/** The models the tests load: tiny, from a seed, quantized by Node for comparison. */
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { loadModel, quantize } from "../../../src/index.ts";
import { buildGguf } from "../../../test/checkpoint/gguf/gguf-fixture.ts";
import { tinyGguf } from "../../../test/checkpoint/gguf/tiny-gguf.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../../../test/memory-folder.ts";
import { tinyModel } from "../../../test/tiny-model.ts";
import published from "../src/published-logits.json" with { type: "json" };

export const SEED = 31;
/** Thresholds around the tiny model's ranges, so that static, equalized and dynamic inputs all occur. */
const RECIPE = { groupSize: 32, v0: 6, v1: 20, samples: 4, contextSize: 64 } as const;
/** What the test chooses in the page. */
export const IN_PAGE = { recipe: "rtn", samples: 2, contextSize: 16 } as const;

const TOKENIZER_CONFIG = "tokenizer_config.json";

export interface Models {
  /** Folder with a W4A8 model, and beside its files `tiny.gguf`, `broken.gguf` and `f32/`. */
  readonly directory: string;
  /** The files in `f32/`: the same model before it was quantized. */
  readonly folder: readonly string[];
  /** Name of the policy of each layer input. */
  readonly policies: readonly { readonly name: string; readonly policy: string; readonly input_scale: number | null }[];
  /** SHA-256 of the model's logits after the tokens of the published text, computed here. */
  readonly logitsHash: string;
  /** The tensors that quantizing `tiny.gguf` with `IN_PAGE` gives in Node. */
  readonly shard: Uint8Array;
}

/** Gives a model's template words for functions. Behind them it writes a call, since it knows none. */
function tellOfFunctions(folder: MemoryFolder): void {
  const config = JSON.parse(new TextDecoder().decode(folder.bytes(TOKENIZER_CONFIG))) as { chat_template: string };
  config.chat_template = `{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}${config.chat_template}`;
  folder.set(TOKENIZER_CONFIG, new TextEncoder().encode(JSON.stringify(config)));
}

export async function makeModels(directory: string): Promise<Models> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  mkdirSync(`${directory}/f32`);
  const write = (name: string, bytes: Uint8Array) => writeFileSync(`${directory}/${name}`, bytes);

  // Slow enough, and with a context long enough, that an answer can be watched and stopped before it ends.
  const folder = tinyModel(SEED, {
    config: { contextLength: 4096, layers: 6, hiddenSize: 256, headDim: 64, ffnSize: 512, attentionWindows: Array(6).fill(0) },
  });
  tellOfFunctions(folder);
  const w4a8 = new MemoryOutputFolder("w4a8");
  const { layers } = await quantize({ kind: "folder", folder }, { ...RECIPE, threads: 1, output: w4a8 });
  const kinds = new Set(layers.map(({ policy }) => policy));
  if (kinds.size < 3) throw new Error(`policies: ${[...kinds].join(", ")}; three kinds are wanted`);
  for (const [name, { bytes }] of w4a8.result.files) write(name, bytes);

  for (const [name, { bytes }] of folder.files) write(`f32/${name}`, bytes);

  const { bytes } = buildGguf(tinyGguf({ architecture: "llama", seed: SEED }).fixture);
  write("tiny.gguf", bytes);
  write("broken.gguf", bytes.slice(4));
  const output = new MemoryOutputFolder("gguf");
  const file = {
    name: "tiny.gguf",
    size: bytes.length,
    slice: (begin: number, end: number) => new Blob([bytes.slice(begin, end)]),
  };
  await quantize(file, { ...IN_PAGE, threads: 1, output });
  const shard = [...output.result.files.keys()].find((name) => name.endsWith(".safetensors"))!;
  const model = await loadModel(directory);
  const logits = await model.logits(model.promptIds(published.text));
  const logitsHash = createHash("sha256").update(logits).digest("hex");
  await model.dispose();
  return { directory, logitsHash, folder: [...folder.files.keys()], policies: layers, shard: output.result.bytes(shard) };
}
