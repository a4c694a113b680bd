/** A page as people write them: the model is in a worker. What that worker answers goes to the server. */
const worker = new Worker(new URL("./model-worker.js", import.meta.url), { type: "module" });
const report = (outcome) => fetch("/outcome", { method: "POST", body: JSON.stringify(outcome) });
worker.addEventListener("message", ({ data }) => report(data));
worker.addEventListener("error", ({ message }) => report({ error: `model-worker: ${message}` }));
