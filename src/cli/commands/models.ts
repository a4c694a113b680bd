/** `fptq models`: what downloads are kept on this machine, and how to be rid of them. */
import { Command } from "commander";
import { OptionError } from "../../errors.ts";
import { hubCacheFolder } from "../../host/node/node-hub-environment.ts";
import { defaultCacheFolder } from "../../host/node/node-block-store.ts";
import { keptDownloads } from "../../host/node/kept-models/kept-downloads.ts";
import { keptHubModels } from "../../host/node/kept-models/kept-hub-models.ts";
import type { KeptModel } from "../../host/node/kept-models/kept-model.ts";
import { nearestName } from "../../option-keys.ts";
import type { CommandContext } from "../command-context.ts";
import { addOutputOptions } from "../options/model-options.ts";
import { nonEmpty } from "../options/option-values.ts";
import { formatBytes } from "../quantities.ts";
import { formatTable } from "../table.ts";

const EXAMPLES = `
Downloads from URLs are kept in FPTQ_CACHE (default: fptq in the user's cache), those of hf: names in the Hub's own
folder (HF_HUB_CACHE), which other programs share. "partial" is what an interrupted download left, or a file of which
not every part was needed. The last use is as the file system notes it.

Examples:
  fptq models
  fptq models remove hf:ORG/MODEL
  fptq models remove https://example.org/models/SmolLM2-w4a8/
  fptq models --json | jq '.models[] | select(.whole == false) | .name'`;

const REMOVE_EXAMPLES = `
Nothing is asked. A file that another model has too stays, and nothing outside the caches is touched.

Examples:
  fptq models remove hf:ORG/MODEL
  fptq models remove https://example.org/SmolLM2.gguf https://example.org/other/`;

interface ModelsFlags {
  readonly cache?: string;
  readonly json?: boolean;
}

export function modelsCommand(context: CommandContext): Command {
  const command = addOutputOptions(
    new Command("models")
      .description("show the downloaded models that are kept: size, last use, whether whole; remove them")
      .option("--cache <dir>", "the folder of downloads to look at, instead of both caches", nonEmpty),
    "names, bytes, last use",
  );
  command.addHelpText("after", EXAMPLES).action((flags: ModelsFlags) => showModels(context, flags));
  const remove = addOutputOptions(
    new Command("remove")
      .description("remove models from the cache, by the names that fptq models shows")
      .argument("<name...>", "a URL, hf:ORG/MODEL, or unnamed:KEY")
      .option("--cache <dir>", "the folder of downloads to remove from, instead of both caches", nonEmpty),
    "names and bytes freed",
  );
  remove
    .addHelpText("after", REMOVE_EXAMPLES)
    .action((names: string[], _: unknown, self: Command) => removeModels(context, names, self.optsWithGlobals()));
  return command.addCommand(remove);
}

async function keptModels({ cache }: ModelsFlags): Promise<KeptModel[]> {
  const models = cache === undefined ? [...(await keptDownloads(defaultCacheFolder())), ...(await keptHubModels(hubCacheFolder()))] : await keptDownloads(cache); // prettier-ignore
  return models.toSorted((a, b) => Number(b.isNamed) - Number(a.isNamed) || a.name.localeCompare(b.name, "en"));
}

const cacheFolders = ({ cache }: ModelsFlags) => (cache === undefined ? [defaultCacheFolder(), hubCacheFolder()] : [cache]);

async function showModels({ output }: CommandContext, flags: ModelsFlags): Promise<void> {
  const models = await keptModels(flags);
  const bytes = models.reduce((total, model) => total + model.bytes, 0);
  if (flags.json) {
    output.json({ folders: cacheFolders(flags), bytes, models: models.map(modelDocument) });
    return;
  }
  if (models.length === 0) {
    output.print(`nothing is kept in ${cacheFolders(flags).join(" or ")}`);
    return;
  }
  const rows = models.map((model) => [model.name, formatBytes(model.bytes), formatTime(model.lastUse), stateOf(model)]);
  output.print(formatTable([{ head: "model" }, { head: "size", align: "right" }, { head: "last use" }, { head: "state" }], rows));
  const count = `${models.length} ${models.length === 1 ? "model" : "models"}`;
  output.print(`\n${count}, ${formatBytes(bytes)} in ${[...new Set(models.map(({ folder }) => folder))].join(" and ")}`);
  if (models.some(({ isNamed }) => !isNamed))
    output.print("unnamed: kept by an earlier version of fptq, or replaced on its server since");
}

function stateOf({ isWhole, wholeBytes }: KeptModel): string {
  if (isWhole) return "whole";
  return wholeBytes === undefined ? "partial" : `partial, of ${formatBytes(wholeBytes)}`;
}

/** `2026-11-30 09:12`, of this machine's clock. */
function formatTime(milliseconds: number): string {
  const local = new Date(milliseconds - new Date(milliseconds).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16).replace("T", " ");
}

const modelDocument = ({ name, isNamed, folder, bytes, isWhole, wholeBytes, lastUse }: KeptModel) => ({
  name,
  named: isNamed,
  folder,
  bytes,
  whole: isWhole,
  whole_bytes: isWhole ? null : (wholeBytes ?? null),
  last_use: new Date(lastUse).toISOString(),
});

async function removeModels({ output }: CommandContext, names: readonly string[], flags: ModelsFlags): Promise<void> {
  const models = await keptModels(flags);
  // All of them are looked for before one is removed.
  const chosen = [...new Set(names)].map((name) => [name, modelsCalled(name, models)] as const);
  const removed: { name: string; bytes: number }[] = [];
  for (const [, own] of chosen) {
    let bytes = 0;
    // One name may be in both caches.
    for (const model of own) bytes += await model.remove();
    removed.push({ name: own[0]!.name, bytes });
    if (!flags.json) output.print(`removed ${own[0]!.name}: ${formatBytes(bytes)} freed`);
  }
  if (flags.json) output.json({ removed, bytes: removed.reduce((total, { bytes }) => total + bytes, 0) });
}

/** @throws OptionError where nothing is called so, with what may be meant */
function modelsCalled(name: string, models: readonly KeptModel[]): KeptModel[] {
  const trimmed = (text: string) => text.replace(/\/+$/, "");
  const found = models.filter((model) => trimmed(model.name) === trimmed(name));
  if (found.length > 0) return found;
  const names = models.map((model) => model.name);
  const within = names.filter((candidate) => candidate.toLowerCase().includes(name.toLowerCase()));
  const nearest = within.length === 1 ? within[0] : nearestName(name, names);
  const hint = nearest === undefined ? "fptq models shows them" : `did you mean ${nearest}?`;
  throw new OptionError(`model: got ${JSON.stringify(name)}, need one of the ${models.length} that are kept; ${hint}`);
}
