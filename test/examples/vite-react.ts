/** `examples/vite-react`: types, the built page, and the development server. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { outputOf } from "../runtimes/launch.ts";
import { chatChecks, inChromium, type Shown } from "./chat-page.ts";
import { assert, type Checks } from "../checks.ts";
import { environment, install, npmStart, root, started } from "./start.ts";

const folder = `${root}examples/vite-react`;
const SHOWN: Shown = { answer: ".assistant", ready: /^Ready$/, answered: /^\d+ tokens a second/ };

export async function viteReactChecks(checks: Checks): Promise<void> {
  await checks.check("vite-react: npm ci", () => install("vite-react"));
  await checks.check("vite-react: types hold, the hook is short", async () => {
    await outputOf("npm", ["run", "typecheck", "--prefix", folder]);
    const lines = readFileSync(`${folder}/src/useFptq.ts`, "utf8").trimEnd().split("\n").length;
    assert(lines < 100, `useFptq.ts: got ${lines} lines, need less than 100`);
  });
  await checks.check("vite-react: builds and starts", async () => {
    const server = await npmStart("vite-react", ["--port", "0"]);
    try {
      await inChromium(server.url, (page) => chatChecks(checks, "vite-react", page, SHOWN));
    } finally {
      await server.stop();
    }
  });
  await checks.check("vite-react: the development server finds kernels and worker", async () => {
    const vite = ["node_modules/vite/bin/vite.js", "--port", "0", "--host", "127.0.0.1"];
    const server = await started(
      spawn(process.execPath, vite, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], detached: true, env: environment() }),
    );
    try {
      await inChromium(server.url, async (page) => {
        await page.until("a model", `document.querySelector("[role=status]")?.innerText === "Ready"`);
      });
    } finally {
      await server.stop();
    }
  });
}
