/**
 * The tokenizer of SmolLM2, rebuilt from its GGUF, and the reference's vectors; undefined after a printed
 * reason.
 */
import { GgufMetadata } from "../../src/checkpoint/gguf/gguf-metadata.ts";
import { ggufTokenizer } from "../../src/checkpoint/gguf/gguf-tokenizer.ts";
import { readGguf } from "../../src/checkpoint/gguf/gguf.ts";
import { memoryFile } from "../checkpoint/gguf/gguf-fixture.ts";
import { sharedFile } from "../shared-data.ts";

export interface Vector {
  readonly text: string;
  readonly ids: number[];
}

const model = sharedFile("models/SmolLM2-135M-Instruct.Q4_1.gguf");
const reference = sharedFile("reference/smollm2-reference.json");

export const smolLM2 =
  model && reference
    ? {
        files: ggufTokenizer(new GgufMetadata((await readGguf(memoryFile(model))).metadata, "SmolLM2"), "SmolLM2")!,
        reference: JSON.parse(new TextDecoder().decode(reference)) as {
          tokenizer: Vector[];
          prompts: (Vector & { greedy24: number[]; greedy_text: string })[];
        },
      }
    : undefined;
