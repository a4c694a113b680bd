/**
 * `npm start [-- options of fptq run]`: generates with the model in this repository, offline. `npm start --
 * FILE [--calibration TEXT] [options of fptq run]`: quantizes another model once, then generates with it.
 *
 * Plain JavaScript on purpose: it runs the built package, as an installed one would, without the tools that
 * build it.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const main = join(root, "dist/cli/main.js");
const PROMPT = "Why is the sky blue? Answer in two sentences.";
const EMBEDDED = join(root, "models/smollm2-135m-instruct-w4a8");
const USAGE = `usage: npm start -- [FILE [--calibration TEXT]] [options of "fptq run"]

FILE is a GGUF file or a folder with config.json and safetensors; without it the model in this repository answers. For instance
  npm start
  npm start -- -st -p "Write one sentence about the sea."
  npm start -- SmolLM2-135M-Instruct.Q4_1.gguf
  npm start -- SmolLM2-135M-Instruct.Q4_1.gguf -p "The capital of France is" -n 16
  npm start -- SmolLM2-135M-Instruct.Q4_1.gguf --calibration wiki.valid.txt`;

// npm starts scripts in the package's folder; paths are meant from where the person is.
process.chdir(process.env.INIT_CWD ?? ".");
const words = process.argv.slice(2);
if (["-h", "--help"].includes(words[0])) stop(0, USAGE);
const source = words[0] === undefined || words[0].startsWith("-") ? undefined : words.shift();
const model = source === undefined ? embeddedModel() : await quantizedModel(source, takeCalibration(words));
process.exit(await fptq(["run", "-m", model, ...defaultPrompt(model, words), ...words]));

/** @returns {never} */
function stop(code, message) {
  console.error(message);
  process.exit(code);
}

function embeddedModel() {
  if (words.includes("--calibration")) stop(2, `--calibration: the model in this repository is quantized already\n\n${USAGE}`);
  checkBuilt();
  return EMBEDDED;
}

/** The folder of a model that is quantized now, or was before. */
async function quantizedModel(path, calibration) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) stop(1, `${path}: no such file or folder`);
  checkBuilt();
  const folder = cacheFolder(path, stats, calibration);
  if (existsSync(join(folder, "config.json"))) return folder;
  mkdirSync(join(root, "models/.cache"), { recursive: true });
  console.error(`quantizing ${path} once; later runs use ${folder}`);
  const options = calibration === undefined ? [] : ["--calibration", calibration];
  const code = await fptq(["quantize", path, "-o", folder, "--force", ...options], "discard data");
  if (code !== 0) process.exit(code);
  return folder;
}

function checkBuilt() {
  if (!existsSync(main)) stop(1, `${main} is missing: run "npm ci" first, which builds the package`);
}

/** Takes `--calibration TEXT` out of the words; the rest belongs to `fptq run`. */
function takeCalibration(given) {
  const at = given.indexOf("--calibration");
  if (at < 0) return undefined;
  const [, text] = given.splice(at, 2);
  if (text === undefined) stop(2, `--calibration needs a text file\n\n${USAGE}`);
  if (!existsSync(text)) stop(1, `--calibration ${text}: no such file`);
  return text;
}

/** One folder for each source, version of it, and calibration: a changed file is quantized anew. */
function cacheFolder(path, { size, mtimeMs }, text) {
  const identity = JSON.stringify([resolve(path), size, mtimeMs, text && resolve(text)]);
  const digest = createHash("sha256").update(identity).digest("hex").slice(0, 8);
  const name = basename(resolve(path)).replace(/\.gguf$/i, "");
  return join(root, "models/.cache", `${name}-w4a8-${digest}`);
}

/**
 * A question for a model that has a chat template, the beginning of a text for one that has none; nothing if
 * the words bring a prompt.
 */
function defaultPrompt(folder, given) {
  if (given.some((word) => ["-p", "--prompt", "-f", "--file"].includes(word))) return [];
  const config = join(folder, "tokenizer_config.json");
  const chats =
    existsSync(join(folder, "chat_template.jinja")) ||
    (existsSync(config) && JSON.parse(readFileSync(config, "utf8")).chat_template !== undefined);
  return chats ? ["-st", "-p", PROMPT] : ["-p", "The sky is blue because"];
}

function doNothing() {}

/** Runs the built command line on this terminal; resolves with its exit code. */
function fptq(args, data = "show data") {
  // Ctrl-C reaches the child as well, which cleans up and ends by itself; this process waits for that.
  process.on("SIGINT", doNothing);
  const stdout = data === "show data" ? "inherit" : "ignore";
  const child = spawn(process.execPath, [main, ...args], { stdio: ["inherit", stdout, "inherit"] });
  return new Promise((resolvePromise, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      process.off("SIGINT", doNothing);
      resolvePromise(code ?? (signal === "SIGINT" ? 130 : 1));
    });
  });
}
