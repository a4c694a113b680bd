/** The main process: a window, a process that has the model, and what goes from one to the other. */
import { fileURLToPath } from "node:url";
import { app, BrowserWindow, ipcMain, utilityProcess } from "electron";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const source = process.env.MODEL ?? path("../../models/smollm2-135m-instruct-w4a8"); // or a GGUF, a URL, "hf:ORG/MODEL"

app.on("window-all-closed", () => app.quit());
await app.whenReady();

const window = new BrowserWindow({
  width: 720,
  height: 560,
  webPreferences: { preload: path("preload.cjs"), contextIsolation: true, sandbox: true, nodeIntegration: false },
});
window.webContents.setWindowOpenHandler(() => ({ action: "deny" }));
window.webContents.on("will-navigate", (event) => event.preventDefault());

// Neither the window nor this process waits while the model computes.
const engine = utilityProcess.fork(path("model-process.js"), [], { serviceName: "fptq" });
const tell = (answer) => window.isDestroyed() || window.webContents.send("answer", answer);
engine.on("message", tell);
engine.on("exit", (code) => tell({ kind: "failed", error: `the process of the model ended with ${code}` }));
ipcMain.on("request", (event, request) => {
  if (event.sender === window.webContents) engine.postMessage(request);
});
window.on("closed", () => engine.kill());

await window.loadFile(path("index.html"));
// Nothing is said before the page can hear it.
engine.postMessage({ kind: "load", source });
