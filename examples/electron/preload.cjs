/** All that the page can do with the rest of the program. */
const { contextBridge, ipcRenderer } = require("electron");

contextBridge.exposeInMainWorld("fptq", {
  ask: (messages) => ipcRenderer.send("request", { kind: "ask", messages }),
  stop: () => ipcRenderer.send("request", { kind: "stop" }),
  onAnswer: (listener) => ipcRenderer.on("answer", (_event, answer) => listener(answer)),
});
