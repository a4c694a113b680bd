/** What is left behind, what is in the way, and what must not be lost, where a model is written. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError, OptionError } from "../../../../src/errors.ts";
import { createOutputFolder, type OutputFolderOptions } from "../../../../src/host/node/output/node-output-folder.ts";
import { quantize } from "../../../../src/index.ts";
import { tinyModel } from "../../../tiny-model.ts";

const SEED = 89;
const test = suite<{ root: string }>(`node output folder (seed ${SEED})`);
const repository = fileURLToPath(new URL("../../../..", import.meta.url));
const HOST = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
const DAY = 24 * 60 * 60;

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "fptq-output-"));
});
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

async function rejects(work: Promise<unknown>, type: new (message: string) => Error, pattern: RegExp): Promise<void> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, type, String(error));
  assert.match((error as Error).message, pattern);
}

async function written(path: string, text: string, options: OutputFolderOptions = {}) {
  const output = await createOutputFolder(path, options);
  const file = await output.create("config.json");
  await file.write(new TextEncoder().encode(text));
  await file.close();
  return output;
}

/** A folder as a process would have left it, last written to so many days ago. */
function leave(root: string, name: string, days: number): string {
  const path = join(root, name);
  mkdirSync(path);
  writeFileSync(join(path, "model.safetensors"), "half");
  const then = Date.now() / 1000 - days * DAY;
  for (const touched of [join(path, "model.safetensors"), path]) utimesSync(touched, then, then);
  return name;
}

const startOfThis = () => {
  const text = existsSync("/proc/self/stat") ? readFileSync("/proc/self/stat", "utf8") : undefined;
  return text === undefined ? "0" : text.slice(text.lastIndexOf(")") + 2).split(" ")[19]!;
};
/** The id of a process that has ended. */
const deadPid = () => spawnSync(process.execPath, ["-e", ""]).pid;

test("what a killed process left is removed a day later, with a word, and nothing else", async ({ root }) => {
  const child = spawn(
    process.execPath,
    [
      "--import",
      "tsx",
      "--input-type=module",
      "-e",
      `const { createOutputFolder } = await import("./src/host/node/output/node-output-folder.ts");
       const output = await createOutputFolder(process.argv[1]);
       await (await output.create("model.safetensors")).write(new Uint8Array(1000));
       console.log("written");
       setInterval(() => {}, 1000);`,
      join(root, "model"),
    ],
    { cwd: repository, stdio: ["ignore", "pipe", "inherit"] },
  );
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const [left] = readdirSync(root);
  assert.match(left!, new RegExp(`^\\.model\\.partial-[0-9a-f]{8}-${child.pid}-\\d+-${HOST}$`));
  const then = Date.now() / 1000 - 3 * DAY;
  const age = () => {
    for (const path of [join(root, left!, "model.safetensors"), join(root, left!)]) utimesSync(path, then, then);
  };

  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(message);
  age();
  await (await createOutputFolder(join(root, "model"), { onWarning })).discard();
  assert.equal(readdirSync(root), [left], "its owner lives");

  child.kill("SIGKILL");
  await exited;
  utimesSync(join(root, left!), new Date(), new Date());
  await (await createOutputFolder(join(root, "model"), { onWarning })).discard();
  assert.equal(readdirSync(root), [left], "it is not a day old");

  age();
  await (await createOutputFolder(join(root, "other"), { onWarning })).discard();
  assert.equal(readdirSync(root), [left], "it is beside another place");
  assert.equal(warnings, []);

  await (await createOutputFolder(join(root, "model"), { onWarning })).discard();
  assert.equal(readdirSync(root), []);
  assert.equal(warnings, [`output: removed ${join(root, left!)}, which a process that was ended left behind 3 days ago`]);
});

test("whose folder it is decides with its age", async ({ root }) => {
  const alive = process.pid;
  const dead = deadPid();
  const kept = [
    leave(root, `.model.partial-00000001-${alive}-${startOfThis()}-${HOST}`, 30),
    leave(root, `.model.partial-00000002-${alive}-0-${HOST}`, 30),
    leave(root, `.model.partial-00000003-${dead}-1-ffffffff`, 0.9),
    leave(root, ".model.partial-00000004", 0.9),
    leave(root, `.model.partial-00000005-${dead}-1-${HOST}`, 0.9),
    leave(root, ".model.partial-mine", 30),
    leave(root, ".model.replaced-00000006", 30),
    leave(root, ".model2.partial-00000007", 30),
    leave(root, "model.partial-00000008", 30),
  ];
  const gone = [
    leave(root, `.model.partial-00000009-${dead}-1-${HOST}`, 1.1),
    leave(root, `.model.partial-0000000a-${dead}-1-ffffffff`, 1.1),
    leave(root, ".model.partial-0000000b", 1.1),
  ];
  // A process of this id lives, and it is another one: only Linux tells.
  const other = leave(root, `.model.partial-0000000c-${alive}-1-${HOST}`, 30);
  (startOfThis() === "0" ? kept : gone).push(other);
  symlinkSync(root, join(root, ".model.partial-0000000d"));
  kept.push(".model.partial-0000000d");

  const warnings: string[] = [];
  const output = await createOutputFolder(join(root, "model"), { onWarning: (message) => void warnings.push(message) });
  await output.discard();
  assert.equal(readdirSync(root).toSorted(), kept.toSorted());
  assert.is(warnings.length, gone.length);
  for (const name of gone) assert.ok(warnings.some((warning) => warning.includes(join(root, name))));
});

test("a process that was killed and never asked after is dead", async ({ root }) => {
  if (process.platform !== "linux") return console.log("\nskip: only Linux tells");
  // sleep takes the shell's place and does not know that it has a child.
  const parent = spawn("sh", ["-c", "sleep 0.01 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const pid = Number(await new Promise((resolve) => parent.stdout.once("data", resolve)));
    const fields = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    while (fields()[0] !== "Z") await new Promise((resolve) => setTimeout(resolve, 5));
    leave(root, `.model.partial-00000001-${pid}-${fields()[19]}-${HOST}`, 2);
    await (await createOutputFolder(join(root, "model"))).discard();
    assert.equal(readdirSync(root), []);
  } finally {
    parent.kill();
  }
});

test("a link to nothing is refused before any work, and stays", async ({ root }) => {
  symlinkSync("unplugged/disk", join(root, "link"));
  for (const path of [join(root, "link"), `${join(root, "link")}/`]) {
    for (const force of [false, true]) {
      await rejects(
        createOutputFolder(path, { force }),
        OptionError,
        /link\/?: got a link to unplugged\/disk, which does not exist, need a folder or a free name: make that folder, or remove the link$/,
      );
    }
  }
  await rejects(createOutputFolder(join(root, "link", "model")), OptionError, /cannot be written into .*link/);
  symlinkSync("circle", join(root, "circle"));
  await rejects(createOutputFolder(join(root, "circle")), OptionError, /circle: /);
  await rejects(quantize("no/such/model", { output: join(root, "link") }), OptionError, /link to unplugged\/disk/);
  assert.equal(readdirSync(root).toSorted(), ["circle", "link"]);
  assert.ok(lstatSync(join(root, "link")).isSymbolicLink());
});

test("a way up behind a link leads where the system says", async ({ root }) => {
  mkdirSync(join(root, "far", "folder"), { recursive: true });
  symlinkSync(join(root, "far", "folder"), join(root, "link"));
  await (await written(`${root}/link/../model`, "{}")).commit();
  assert.equal(readdirSync(join(root, "far")).toSorted(), ["folder", "model"]);
  assert.equal(readdirSync(root).toSorted(), ["far", "link"]);
});

test("folders that were made above a place go when it is discarded, and those with other things stay", async ({ root }) => {
  mkdirSync(join(root, "there"));
  await (await written(join(root, "there", "a", "b", "model"), "{}")).discard();
  assert.equal(readdirSync(join(root, "there")), []);
  const output = await written(join(root, "there", "a", "b", "model"), "{}");
  writeFileSync(join(root, "there", "a", "note"), "mine");
  await output.discard();
  assert.equal(readdirSync(join(root, "there", "a")), ["note"]);
  await rejects(quantize("no/such/model", { output: join(root, "new", "model") }), Error, /no\/such\/model/);
  assert.equal(readdirSync(root), ["there"]);
});

test("unfinished work outlives discard and the process, is replaced whole, and goes when the work is done", async ({ root }) => {
  const target = join(root, "model");
  const bytes = (text: string) => new TextEncoder().encode(text);
  const first = await written(target, "{}");
  const work = first.unfinished!("0123456789abcdef");
  assert.is(work.name, join(root, ".model.unfinished-0123456789abcdef"));
  assert.is(await work.read(), undefined);
  await work.write(bytes("step 16"));
  await work.write(bytes("step 32"));
  await first.discard();
  assert.equal(readdirSync(root), [".model.unfinished-0123456789abcdef"]);

  // What a process that was killed while saving left; that is removed as other things are, the state is not.
  const saving = `.model.saving-00000001-${deadPid()}-1-${HOST}`;
  writeFileSync(join(root, saving), "half");
  const then = Date.now() / 1000 - 400 * DAY;
  for (const name of readdirSync(root)) utimesSync(join(root, name), then, then);
  const warnings: string[] = [];
  const second = await written(target, "{}", { onWarning: (message) => void warnings.push(message) });
  assert.match(warnings[0]!, /^output: removed .*\.model\.saving-00000001-/);
  const other = second.unfinished!("fedcba9876543210");
  assert.is(await other.read(), undefined);
  assert.equal(await second.unfinished!("0123456789abcdef").read(), Buffer.from("step 32"));
  await second.commit();
  assert.equal(readdirSync(root), ["model"]);
});

test("unfinished work that cannot be written is said by name, and what was there stays", async ({ root }) => {
  const output = await written(join(root, "model"), "{}");
  const work = output.unfinished!("0123456789abcdef");
  mkdirSync(work.name); // nothing can take the name of a folder
  writeFileSync(join(work.name, "mine"), "x");
  await rejects(work.write(new Uint8Array(3)), CapabilityError, /\.model\.unfinished-0123456789abcdef: cannot be written: /);
  await output.discard();
  assert.equal(readdirSync(root), [".model.unfinished-0123456789abcdef"]);
});

test("a parent that is a file, or cannot be written to", async ({ root }) => {
  writeFileSync(join(root, "file"), "x");
  for (const path of [join(root, "file", "model"), join(root, "file", "deep", "model")]) {
    await rejects(createOutputFolder(path), OptionError, /model: cannot be (written into|read).*file/);
  }
  mkdirSync(join(root, "locked"));
  chmodSync(join(root, "locked"), 0o555);
  chmodSync(root, 0o755);
  if (process.getuid?.() !== 0) {
    await rejects(createOutputFolder(join(root, "locked", "model")), OptionError, /cannot be written into .*locked: EACCES/);
    await rejects(createOutputFolder(join(root, "locked", "deep", "model")), OptionError, /cannot be written into .*EACCES/);
  } else {
    // The superuser may write everywhere, so somebody else tries.
    process.seteuid!(65_534);
    try {
      await rejects(createOutputFolder(join(root, "locked", "model")), OptionError, /cannot be written into .*locked: EACCES/);
    } finally {
      process.seteuid!(0);
    }
  }
});

test("a distillation that was killed goes on where it was kept, and nothing of it is left behind", async ({ root }) => {
  const source = join(root, "source");
  mkdirSync(source);
  for (const [name, { bytes }] of tinyModel(SEED).files) writeFileSync(join(source, name), bytes);
  const script = `
    const { quantize } = await import("./src/index.ts");
    const [source, output, killAt] = process.argv.slice(1);
    const options = { samples: 2, contextSize: 24, groupSize: 32, threads: 1, distillSteps: 20, distillTrain: ["norms", "scales"] };
    const onProgress = ({ phase, done }) => {
      if (phase === "distill") console.log(done);
      if (phase === "distill" && Number(killAt) > 0 && done >= Number(killAt)) process.kill(process.pid, "SIGKILL");
    };
    const onWarning = (message) => console.log(message);
    await quantize(source, { ...options, output, onProgress, onWarning });`;
  const run = (name: string, killAt: number) => {
    const words = ["--import", "tsx", "--input-type=module", "-e", script, source, join(root, name), String(killAt)];
    const { stdout, stderr, signal, status } = spawnSync(process.execPath, words, { cwd: repository, encoding: "utf8" });
    return { lines: stdout.split("\n"), stderr, signal, status };
  };
  const killed = run("model", 18);
  assert.is(killed.signal, "SIGKILL", killed.stderr);
  const left = readdirSync(root).filter((name) => name.startsWith(".model.unfinished-"));
  assert.is(left.length, 1);
  const resumed = run("model", 0);
  assert.is(resumed.status, 0, resumed.stderr);
  assert.ok(
    resumed.lines.includes(`distillation: goes on behind step 16, kept in ${join(root, left[0]!)}`),
    resumed.lines.join(),
  );
  // Not every step is told, but none that was done before is done again.
  assert.ok(
    resumed.lines.every((line) => !(Number(line) >= 1 && Number(line) <= 16)),
    resumed.lines.join(),
  );
  assert.is(run("whole", 0).status, 0);
  const visible = (name: string) => name.includes("unfinished") || name.includes("saving");
  assert.equal(readdirSync(root).filter(visible), []);
  const shards = readdirSync(join(root, "whole")).filter((name) => name.endsWith(".safetensors"));
  assert.ok(shards.length > 0);
  for (const shard of shards) assert.equal(readFileSync(join(root, "model", shard)), readFileSync(join(root, "whole", shard)));
});

/** Makes every write fail from the `from`-th on, as a full disk does. */
async function onFullDisk<T>(root: string, from: number, work: () => Promise<T>): Promise<T> {
  const handle = await open(join(root, "any"), "w");
  await handle.close();
  rmSync(join(root, "any"));
  const prototype = Object.getPrototypeOf(handle) as { write: unknown };
  const { write } = prototype;
  let writes = 0;
  prototype.write = function (this: unknown, ...words: unknown[]) {
    if (++writes >= from) {
      return Promise.reject(Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }));
    }
    return (write as (...words: unknown[]) => unknown).apply(this, words);
  };
  try {
    return await work();
  } finally {
    prototype.write = write;
  }
}

test("a disk that fills up: a typed error, nothing half-written, and the folder that was there", async ({ root }) => {
  const source = join(root, "source");
  mkdirSync(source);
  for (const [name, { bytes }] of tinyModel(SEED).files) writeFileSync(join(source, name), bytes);
  await (await written(join(root, "model"), "old")).commit();
  const options = { output: join(root, "model"), force: true, samples: 2, contextSize: 32, groupSize: 32, threads: 1 };
  for (const from of [1, 5]) {
    const work = onFullDisk(root, from, () => quantize(source, options));
    await rejects(work, CapabilityError, /model\/.*: cannot be written: ENOSPC: no space left on device/);
    assert.equal(readdirSync(root).toSorted(), ["model", "source"]);
    assert.is(readFileSync(join(root, "model", "config.json"), "utf8"), "old");
  }
});

test("a disk that is too full is refused before the work", async ({ root }) => {
  const source = join(root, "source");
  mkdirSync(source);
  for (const [name, { bytes }] of tinyModel(SEED).files) writeFileSync(join(source, name), bytes);
  const output = await createOutputFolder(join(root, "model"));
  assert.ok((await output.freeBytes!())! > 0);
  output.freeBytes = () => Promise.resolve(1000);
  const phases: string[] = [];
  const work = quantize(source, { output, groupSize: 32, threads: 1, onProgress: ({ phase }) => phases.push(phase) });
  await rejects(work, CapabilityError, /model: got 1000 bytes free, need more than \d+, which the weights alone take$/);
  assert.equal(phases, []);
  assert.equal(readdirSync(root), ["source"]);
});

test("a finished model whose name was taken meanwhile is not thrown away", async ({ root }) => {
  const path = join(root, "model");
  const output = await written(path, "ours");
  mkdirSync(path);
  writeFileSync(join(path, "config.json"), "theirs");
  await rejects(
    output.commit(),
    OptionError,
    /got a folder with files in it, .*; the finished model is .*model\.finished-[0-9a-f]{8}$/,
  );
  await output.discard();
  const finished = readdirSync(root).find((name) => name.startsWith("model.finished-"))!;
  assert.is(readFileSync(join(root, finished, "config.json"), "utf8"), "ours");
  assert.is(readFileSync(join(path, "config.json"), "utf8"), "theirs");
  assert.equal(readdirSync(root).length, 2);
});

test.run();
