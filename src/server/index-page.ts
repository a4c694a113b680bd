/** The page at `/`: what this is, how to ask it from a terminal, and a box to ask it here. */

/** What the page may do: use its own script and style, and ask this server. */
export const INDEX_POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  connectSrc: ["'self'"],
  frameAncestors: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
};

export const INDEX_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fptq</title>
<link rel="stylesheet" href="/index.css">
<main>
  <h1>fptq</h1>
  <p>A language model behind OpenAI's protocol: <a href="/openapi.json">description</a>,
    <a href="/v1/models">model</a>, <a href="/metrics">metrics</a>.</p>
  <pre id="curl"></pre>
  <ol id="messages" aria-live="polite"></ol>
  <form id="ask">
    <label for="text">Message</label>
    <textarea id="text" rows="3" required></textarea>
    <p><label>Key, if the server has one <input id="key" type="password" autocomplete="off"></label></p>
    <button>Send</button> <button type="button" id="stop" disabled>Stop</button>
  </form>
  <p id="status" role="status"></p>
</main>
<script type="module" src="/index.js"></script>
</html>
`;

export const INDEX_STYLE = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; background: light-dark(#fff, #16181c); color: light-dark(#1a1c20, #e8eaee); }
main { max-width: 44rem; margin: 0 auto; padding: 2rem 1rem; }
a { color: light-dark(#0b57d0, #8ab4f8); }
pre, textarea, input { font: 0.9rem/1.5 ui-monospace, monospace; }
pre { background: light-dark(#f2f4f7, #22252b); padding: 0.75rem 1rem; border-radius: 6px; overflow-x: auto; }
ol { list-style: none; padding: 0; }
li { white-space: pre-wrap; overflow-wrap: anywhere; padding: 0.5rem 0.75rem; border-radius: 6px; margin: 0.5rem 0; }
li.user { background: light-dark(#e6effc, #26324a); }
li.assistant { background: light-dark(#f2f4f7, #22252b); min-height: 1.5em; }
form > label { display: block; }
textarea { width: 100%; box-sizing: border-box; padding: 0.5rem; }
button { font: inherit; padding: 0.35rem 1rem; }
#status { color: light-dark(#5a5f69, #a9afba); }
`;

export const INDEX_SCRIPT = `const element = (id) => document.getElementById(id);
const [list, text, key, stop, status] = ["messages", "text", "key", "stop", "status"].map(element);
element("curl").textContent = "curl " + location.origin + "/v1/chat/completions -H 'Content-Type: application/json' \\\\\\n" +
  "  -d '" + JSON.stringify({ messages: [{ role: "user", content: "Why is the sky blue?" }] }) + "'";
const messages = [];
let running;

function show(role, content) {
  const item = document.createElement("li");
  item.className = role;
  item.textContent = content;
  list.append(item);
  return item;
}

/** The data of server-sent events, one after another. */
async function* eventsOf(body) {
  let rest = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
  }
}

async function ask(content) {
  messages.push({ role: "user", content });
  show("user", content);
  const item = show("assistant", "");
  running = new AbortController();
  stop.disabled = false;
  status.textContent = "";
  const began = performance.now();
  let [answer, tokens] = ["", 0];
  try {
    const headers = { "Content-Type": "application/json", ...(key.value && { Authorization: "Bearer " + key.value }) };
    const body = JSON.stringify({ messages, stream: true, stream_options: { include_usage: true } });
    const response = await fetch("/v1/chat/completions", { method: "POST", headers, body, signal: running.signal });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const data of eventsOf(response.body)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      tokens = chunk.usage?.completion_tokens ?? tokens;
      answer += chunk.choices[0]?.delta.content ?? "";
      item.textContent = answer;
    }
    const seconds = (performance.now() - began) / 1000;
    status.textContent = tokens + " tokens in " + seconds.toFixed(1) + " s";
  } catch (error) {
    status.textContent = error.name === "AbortError" ? "stopped" : error.message;
  } finally {
    stop.disabled = true;
    messages.push({ role: "assistant", content: answer });
  }
}

element("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const content = text.value.trim();
  if (content === "" || !stop.disabled) return;
  text.value = "";
  await ask(content);
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  element("ask").requestSubmit();
});
stop.addEventListener("click", () => running.abort());
`;
