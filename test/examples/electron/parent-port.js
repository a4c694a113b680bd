/** `process.parentPort` of a utility process, over the channel of a forked one. */
process.parentPort = {
  postMessage: (message) => process.send(message),
  on: (event, listener) => process.on(event, (data) => listener({ data })),
};
