/** `fptq serve`: a model behind OpenAI's protocol, in a process of its own. */
import { Command } from "commander";
import { POOLINGS, type PoolingKind } from "../../checkpoint/pooling.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import type { LanguageModel } from "../../decoding/language-model.ts";
import { OptionError } from "../../errors.ts";
import { SlotFolder } from "../../host/node/node-slot-folder.ts";
import { DEFAULT_SEQUENCES } from "../../model/load-options.ts";
import { addModelOptions, addOutputOptions, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import { integer, nonEmpty, oneOf } from "../options/option-values.ts";

interface ServeFlags extends ModelFlags {
  readonly host: string;
  readonly port: number;
  readonly parallel: number;
  readonly predict?: number;
  readonly alias?: string;
  readonly apiKeyFile?: string;
  readonly cors?: string;
  readonly embedding?: true;
  readonly pooling?: PoolingKind;
  readonly rerank?: true;
  readonly slotSavePath?: string;
}

/** Tokens the cache has for each of the requests that are answered at a time, where `-c` does not say. */
const CONTEXT = 4096;
/** How long answers may go on after SIGTERM, in milliseconds: within the half minute containers are given. */
const GRACE = 20_000;

const EXAMPLES = `
Examples:
  fptq serve -m SmolLM2-w4a8
  fptq serve -m SmolLM2-w4a8 --port 8000 -np 8 -c 2048 --api-key-file keys.txt
  curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"messages": [{"role": "user", "content": "Why is the sky blue?"}]}'`;

export function serveCommand(context: CommandContext): Command {
  const command = new Command("serve")
    .description("serve a model by OpenAI's protocol")
    .optionsGroup("Server:")
    .option("--host <address>", "address to listen at", nonEmpty, "127.0.0.1")
    .option("--port <n>", "port to listen at; 0 takes a free one", integer(0, 65_535), 8080)
    .option("--np, --parallel <n>", "requests that are answered at a time", integer(1, 1024), 4)
    .option("-n, --predict <n>", "tokens of an answer at most (default: what the context has room for)", integer(1))
    .option("-a, --alias <name>", "name of the model for clients (default: the last part of -m)", nonEmpty)
    .option("--api-key-file <path>", "a file with keys, one a line, of which clients need one", nonEmpty)
    .option("--cors <origin>", "origin whose pages may read answers, or *", nonEmpty)
    .option("--embedding", "give vectors of texts, also where the model does not say that it was made for that")
    .option(`--pooling <${POOLINGS.join("|")}>`, "which states make a vector (default: as the model says)", oneOf(...POOLINGS))
    .option("--slot-save-path <folder>", "folder in which clients may save what slots remember (default: none)", nonEmpty)
    .option("--rerank", "order documents, with a model that was trained for that");
  addModelOptions(
    command,
    "tokens of a request, its answer included; the cache holds -np times as many (default: the model's, at most 4096)",
  );
  return addOutputOptions(command)
    .addHelpText("after", EXAMPLES)
    .action((flags: ServeFlags) => serve(context, flags));
}

async function serve(context: CommandContext, flags: ServeFlags): Promise<void> {
  const { output, signal } = context;
  const apiKeys = flags.apiKeyFile === undefined ? [] : await readKeys(context, flags.apiKeyFile);
  const slots = flags.slotSavePath === undefined ? undefined : await SlotFolder.open(flags.slotSavePath);
  const { createServer, listen, remoteAddress } = await context.server();
  // Whole blocks of the cache for each.
  const cacheTokens = flags.parallel * 64 * Math.ceil((flags.ctxSize ?? CONTEXT) / 64);
  // Choices and prompts of one request are sequences of their own.
  const maxSequences = Math.max(DEFAULT_SEQUENCES, flags.parallel);
  const model = await loadModelFromFlags(context, { ...flags, cacheTokens, maxSequences });
  try {
    const alias = flags.alias ?? flags.model.split(/[\\/]/).findLast((part) => part !== "") ?? "fptq";
    const cut = new AbortController();
    const app = createServer(model as LanguageModel, {
      alias,
      parallel: flags.parallel,
      maxTokens: flags.predict,
      apiKeys,
      clientAddress: remoteAddress,
      corsOrigin: flags.cors,
      embedding: flags.embedding,
      pooling: flags.pooling,
      rerank: flags.rerank,
      slots,
      shutdown: { signal, cut: cut.signal },
      onError: (error) => output.log(String(flags.verbose ? ((error as Error).stack ?? error) : error)),
    });
    const server = await listen(app, { hostname: flags.host, port: flags.port });
    output.log(`${alias}: http://${flags.host.includes(":") ? `[${flags.host}]` : flags.host}:${server.port}/`);
    await server.untilEnded(signal, GRACE, () => cut.abort());
  } finally {
    await model[Symbol.asyncDispose]();
  }
}

/** @throws CheckpointError for a file that cannot be read; OptionError for one without a key */
async function readKeys(context: CommandContext, path: string): Promise<string[]> {
  const text = await readTextFile(context, "--api-key-file", path);
  const keys = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#")); // prettier-ignore
  if (keys.length === 0) throw new OptionError(`--api-key-file: got no key in ${path}, need at least one`);
  return keys;
}
