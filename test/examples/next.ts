/** `examples/next`: the route handler asked as a program would, and the page over it. */
import { chatChecks, inChromium } from "./chat-page.ts";
import { assert, type Checks } from "../checks.ts";
import { install, npmStart } from "./start.ts";

const QUESTION = JSON.stringify([{ role: "user", content: "Why is the sky blue?" }]);

export async function nextChecks(checks: Checks): Promise<void> {
  await checks.check("next: npm ci", () => install("next"));
  await checks.check("next: builds and starts", async () => {
    const server = await npmStart("next", ["--port", "0"]);
    const url = server.url.replace(/\/$/, "");
    try {
      await checks.check("next: the route handler streams", async () => {
        const response = await fetch(`${url}/api/chat`, { method: "POST", body: QUESTION });
        let [text, pieces] = ["", 0];
        for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
          text += part;
          pieces++;
        }
        assert(response.status === 200 && text.length > 100, `${response.status}: ${text}`);
        assert(pieces > 10, `${pieces} pieces, need more than 10`);
        return `${pieces} pieces`;
      });
      await checks.check("next: what is no conversation, or too long, is refused", async () => {
        for (const [body, status] of [["[]", 400], ["{", 400], ['[{"content": "x"}]', 400], [JSON.stringify("x".repeat(70_000)), 413]] as const) {
          const response = await fetch(`${url}/api/chat`, { method: "POST", body });
          assert(response.status === status, `${body.slice(0, 30)}: got ${response.status}, need ${status}: ${await response.text()}`);
        }
      }); // prettier-ignore
      await inChromium(url, (page) => chatChecks(checks, "next", page, { answer: ".assistant" }));
      assert(!/error/i.test(server.log()), server.log());
    } finally {
      await server.stop();
    }
  });
}
