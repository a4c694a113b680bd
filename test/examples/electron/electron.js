/**
 * Electron's interface as far as the example uses it. A window is a page at an address of this machine; what
 * goes between it and the main process goes over HTTP: requests in, answers as server-sent events.
 */
import { fork } from "node:child_process";
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MEDIA_TYPES = { ".html": "text/html", ".js": "text/javascript" };

/** The other side of `ipcMain`, put around the preload script. */
const RENDERER = `
const listeners = {};
const post = (body) => fetch("/request", { method: "POST", body: JSON.stringify(body) });
new EventSource("/answers").onmessage = ({ data }) => {
  const { channel, message } = JSON.parse(data);
  for (const listener of listeners[channel] ?? []) listener({}, message);
};
const electron = {
  contextBridge: { exposeInMainWorld: (name, api) => (window[name] = Object.freeze(api)) },
  ipcRenderer: {
    send: (channel, message) => void post({ channel, message }),
    on: (channel, listener) => (listeners[channel] ??= []).push(listener),
  },
};`;

export const app = Object.assign(new EventEmitter(), { whenReady: async () => {}, quit: () => process.exit(0) });
export const ipcMain = new EventEmitter();

export class BrowserWindow extends EventEmitter {
  #preload;
  #streams = new Set();
  #sent = [];
  webContents = Object.assign(new EventEmitter(), {
    setWindowOpenHandler: () => {},
    send: (channel, message) => {
      const event = `data: ${JSON.stringify({ channel, message })}\n\n`;
      this.#sent.push(event);
      for (const stream of this.#streams) stream.write(event);
    },
  });

  constructor({ webPreferences }) {
    super();
    const { preload, ...settings } = webPreferences;
    this.#preload = readFileSync(preload, "utf8");
    console.log(JSON.stringify(settings));
  }

  isDestroyed = () => false;

  /** Serves the page; one that is opened later hears what was said before, as if it had been there. */
  async loadFile(file) {
    const server = createServer(async (request, response) => {
      if (request.url === "/answers") {
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        for (const event of this.#sent) response.write(event);
        this.#streams.add(response);
      } else if (request.url === "/request") {
        const { channel, message } = JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString());
        ipcMain.emit(channel, { sender: this.webContents }, message);
        response.end();
      } else if (request.url === "/preload.js") {
        response.writeHead(200, { "Content-Type": "text/javascript" });
        response.end(`{${RENDERER}\n((require) => {${this.#preload}\n})((name) => ({ electron })[name]);}`);
      } else {
        const name = request.url === "/" ? file : join(dirname(file), request.url);
        const type = MEDIA_TYPES[extname(name)];
        if (type === undefined) return response.writeHead(404).end();
        const text = readFileSync(name, "utf8");
        response.writeHead(200, { "Content-Type": type });
        response.end(name === file ? text.replace("<head>", `<head><script src="/preload.js"></script>`) : text);
      }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    console.log(`http://127.0.0.1:${server.address().port}/`);
  }
}

export const utilityProcess = {
  fork(path, args) {
    const parentPort = fileURLToPath(new URL("parent-port.js", import.meta.url));
    const child = fork(path, args, { execArgv: ["--import", parentPort], serialization: "advanced" });
    return Object.assign(child, { postMessage: (message) => child.send(message) });
  },
};
