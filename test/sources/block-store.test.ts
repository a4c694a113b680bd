/** What every block store promises, and how a folder keeps it. */
import { fork } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultCacheFolder, folderBlockStore } from "../../src/host/node/node-block-store.ts";
import { type BlockStore, MemoryBlockStore } from "../../src/sources/block-cache.ts";

const test = suite("block store");

const STORES: readonly (readonly [string, (folder: string) => BlockStore])[] = [
  ["memory", () => new MemoryBlockStore()],
  ["folder", (folder) => folderBlockStore(join(folder, "not", "made", "yet"))],
];

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fptq-store-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const [name, make] of STORES) {
  test(`${name}: what is put is got, until it is deleted`, () =>
    withFolder(async (folder) => {
      const store = make(folder);
      assert.is(await store.get("files/ab/0"), undefined);
      await store.delete("files/ab/0");
      for (const length of [0, 1, 100_000]) {
        const value = Uint8Array.from({ length }, (_, i) => i * 7);
        await store.put("files/ab/0", value);
        value.fill(9);
        const found = await store.get("files/ab/0");
        assert.equal(
          new Uint8Array(found!),
          Uint8Array.from({ length }, (_, i) => i * 7),
        );
      }
      await store.put("files/ab/1", new Uint8Array([1]));
      await store.delete("files/ab/0");
      assert.is(await store.get("files/ab/0"), undefined);
      assert.equal(new Uint8Array((await store.get("files/ab/1"))!), new Uint8Array([1]));
      assert.ok((await store.room!())!.free > 0);
    }));
}

test("memory: full is an error with numbers", async () => {
  const store = new MemoryBlockStore({ limitBytes: 10 });
  await store.put("a", new Uint8Array(8));
  await store.put("a", new Uint8Array(10));
  const error = await store.put("b", new Uint8Array(1)).catch((reason: Error) => reason);
  assert.match((error as Error).message, /memory: got 1 bytes, need at most 0: the rest of 10 is taken/);
});

test("folder: a value that cannot be written leaves nothing", () =>
  withFolder(async (folder) => {
    const store = folderBlockStore(folder);
    writeFileSync(join(folder, "files"), "in the way");
    assert.ok((await store.put("files/ab/0", new Uint8Array(1)).catch((reason: unknown) => reason)) instanceof Error);
    assert.is(await store.get("files/ab/0"), undefined);
    assert.equal(readdirSync(folder), ["files"]);
    chmodSync(join(folder, "files"), 0o600);
  }));

test("folder: what a killed process left is removed a day later", () =>
  withFolder(async (folder) => {
    const names = ["0.0123abcd.partial", "1.0123abcd.partial", "2.partial"];
    for (const name of names) writeFileSync(join(folder, name), "half");
    const days = (n: number) => Date.now() / 1000 - n * 24 * 60 * 60;
    for (const [name, age] of [[names[0]!, 2], [names[1]!, 0.5], [names[2]!, 2]] as const) utimesSync(join(folder, name), days(age), days(age)); // prettier-ignore
    await folderBlockStore(folder).put("3", new Uint8Array(1));
    assert.equal(readdirSync(folder).toSorted(), [names[1], names[2], "3"]);
  }));

test("folder: processes that write one key at the same time leave one whole value", () =>
  withFolder(async (folder) => {
    const writer = fileURLToPath(new URL("./block-writer.ts", import.meta.url));
    const codes = await Promise.all(
      [1, 2, 3].map((byte) => {
        const child = fork(writer, [folder, String(byte)], { execArgv: ["--import", "tsx"] });
        return new Promise((resolve) => child.on("exit", resolve));
      }),
    );
    assert.equal(codes, [0, 0, 0]);
    const value = (await folderBlockStore(folder).get("files/ab/0"))!;
    assert.is(value.length, 1_000_000);
    assert.is(new Set(value).size, 1);
    assert.equal(readdirSync(join(folder, "files/ab")), ["0"]);
  }));

for (const [environment, expected] of [
  [{ FPTQ_CACHE: "/mine", XDG_CACHE_HOME: "/xdg" }, "/mine"],
  [{ XDG_CACHE_HOME: "/xdg" }, "/xdg/fptq"],
] as const) {
  test(`the default folder with ${Object.keys(environment).join(", ")}`, () =>
    assert.is(defaultCacheFolder(environment), expected));
}

test.run();
