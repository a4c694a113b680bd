/** Files a page was given. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openCheckpoint } from "../../src/core.ts";
import { CheckpointError, OptionError } from "../../src/errors.ts";
import { type FileLike, fileListLocation } from "../../src/sources/file-list.ts";
import { locateModel } from "../../src/sources/locate-model.ts";
import { tinyModel } from "../tiny-model.ts";

const test = suite("file list (seed 79)");
const MODEL = tinyModel(79);

function file(path: string, bytes: Uint8Array): FileLike {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return Object.assign(new File([bytes as Uint8Array<ArrayBuffer>], name), path.includes("/") && { webkitRelativePath: path });
}

const folder = (prefix: string) => [...MODEL.files].map(([name, { bytes }]) => file(prefix + name, bytes));

for (const prefix of ["", "model/", "models/tiny/"]) {
  test(`the files of a folder under "${prefix}", in any order, with others around`, async () => {
    const others =
      prefix === "" ? [] : [file(`${prefix}deeper/config.json`, new Uint8Array(1)), file("models/readme.md", new Uint8Array(1))];
    const checkpoint = await openCheckpoint(await locateModel([...others, ...folder(prefix).toReversed()], {}));
    assert.is(checkpoint.config.layers, 3);
    const [name] = checkpoint.tensors.keys();
    const direct = await openCheckpoint({ kind: "folder", folder: MODEL });
    assert.equal(await checkpoint.readF32(name!), await direct.readF32(name!));
  });
}

test("one file is a file", async () => {
  const location = await locateModel(file("a.gguf", new Uint8Array([71, 71])), {});
  assert.is(location.kind, "file");
  if (location.kind === "file") assert.equal(await location.file.read(1, 1), new Uint8Array([71]));
});

test("no files, a file that is not there, and one that shrank", async () => {
  assert.throws(() => fileListLocation([]), (error: Error) => error instanceof OptionError); // prettier-ignore
  const location = fileListLocation(folder(""));
  if (location.kind !== "folder") throw new Error("no folder");
  const missing = await location.folder.open("other.json").catch((error: unknown) => error);
  assert.instance(missing, CheckpointError);
  const shrunk = fileListLocation([{ name: "a.gguf", size: 10, slice: () => new Blob(["abc"]) }]);
  if (shrunk.kind !== "file") throw new Error("no file");
  const error = await shrunk.file.read(0, 10).catch((reason: unknown) => reason);
  assert.instance(error, CheckpointError);
  assert.match((error as Error).message, /a\.gguf: got 3 bytes at 0, need 10/);
});

test.run();
