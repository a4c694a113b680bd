/**
 * The variables Hugging Face's own programs read from the environment (`huggingface_hub`, "Environment
 * variables").
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else where `huggingface_hub` has it. */
export function hubCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return environment["HF_HUB_CACHE"] || environment["HUGGINGFACE_HUB_CACHE"] || join(hubHome(environment), "hub");
}

/** `HF_TOKEN`, or the one `hf auth login` has left. */
export async function hubToken(environment: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const given = environment["HF_TOKEN"] || environment["HUGGING_FACE_HUB_TOKEN"];
  if (given) return given.trim();
  const path = environment["HF_TOKEN_PATH"] || join(hubHome(environment), "token");
  return (await readFile(path, "utf8").catch(() => "")).trim() || undefined;
}

function hubHome(environment: NodeJS.ProcessEnv): string {
  return environment["HF_HOME"] || join(environment["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "huggingface");
}
