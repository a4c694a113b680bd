/** A process that writes one value many times and reads it in between: block-writer.ts FOLDER BYTE */
import { folderBlockStore } from "../../src/host/node/node-block-store.ts";

const [folder, byte] = process.argv.slice(2);
const store = folderBlockStore(folder!);
for (let i = 0; i < 50; i++) {
  await store.put("files/ab/0", new Uint8Array(1_000_000).fill(Number(byte)));
  const value = await store.get("files/ab/0");
  if (value?.length !== 1_000_000 || value.some((each) => each !== value[0])) process.exit(1);
}
