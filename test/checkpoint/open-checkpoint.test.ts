import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ByteSource, Folder } from "../../src/checkpoint/byte-source.ts";
import { openCheckpoint, openModel } from "../../src/checkpoint/open-checkpoint.ts";
import { CheckpointError } from "../../src/errors.ts";
import { buildGguf, memoryFile } from "./gguf/gguf-fixture.ts";
import { tinyGguf } from "./gguf/tiny-gguf.ts";
import { tinyModel } from "../tiny-model.ts";
import { renameTensors } from "./safetensors/rename-tensors.ts";

const test = suite("open-checkpoint");
const gguf = () => memoryFile(buildGguf(tinyGguf({ architecture: "llama" }).fixture).bytes);

function folder(files: Record<string, ByteSource>): Folder {
  return {
    name: "models/tiny",
    list: () => Promise.resolve(Object.keys(files)),
    open: (name) => Promise.resolve(files[name]!),
  };
}

async function refuses(promise: Promise<unknown>, ...parts: string[]): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, CheckpointError, String(error));
    for (const part of parts) assert.ok((error as Error).message.includes(part), `"${part}" in: ${String(error)}`);
    return;
  }
  assert.unreachable(`not refused: ${parts.join(" ")}`);
}

test("a GGUF file, whatever it is called, and a folder that holds one", async () => {
  const file = { ...gguf(), name: "model.bin" };
  assert.is((await openCheckpoint({ kind: "file", file })).format, "gguf");
  const inFolder = await openCheckpoint({ kind: "folder", folder: folder({ "Tiny.GGUF": gguf(), "README.md": gguf() }) });
  assert.is(inFolder.format, "gguf");
});

test("anything else is described", async () => {
  const text = memoryFile(new TextEncoder().encode("hello"), "notes.txt");
  await refuses(openCheckpoint({ kind: "file", file: text }), "notes.txt", "5 bytes", "68 65 6c 6c");
  assert.ok(text.isClosed);
  const empty = memoryFile(new Uint8Array(0), "empty");
  await refuses(openCheckpoint({ kind: "file", file: empty }), "empty", "0 bytes");
  await refuses(openCheckpoint({ kind: "folder", folder: folder({}) }), "models/tiny", "nothing");
  await refuses(openCheckpoint({ kind: "folder", folder: folder({ "a.txt": text, "b.txt": text }) }), "a.txt, b.txt");
  await refuses(
    openCheckpoint({ kind: "folder", folder: folder({ "a.gguf": gguf(), "b.gguf": gguf() }) }),
    "2 GGUF files",
    "a.gguf, b.gguf",
  );
});

test("a damaged file is closed again", async () => {
  const damaged = memoryFile(buildGguf(tinyGguf({ architecture: "llama" }).fixture).bytes.slice(0, 200));
  await refuses(openCheckpoint({ kind: "file", file: damaged }), "tiny.gguf");
  assert.ok(damaged.isClosed);
});

test("whoever opens a model to compute with it is told of the notes", async () => {
  const wrapped = renameTensors(tinyModel(1), (name) => `module.${name}`);
  const heard: string[] = [];
  const checkpoint = await openModel({ kind: "folder", folder: wrapped }, { onWarning: (message) => heard.push(message) });
  assert.match(heard.join("\n"), /^tiny-llama-1: names: "module\.model\.[^ ]*" is read as "model\.[^ ]*", and others like it$/);
  assert.equal(heard, checkpoint.notes);
  await checkpoint.close();
});

test.run();
