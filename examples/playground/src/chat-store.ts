/**
 * Chats in the browser's private files (OPFS), one JSON file each. A window without them (private browsing in
 * some browsers, an old Safari) keeps none, and the page says so.
 */

export interface SavedChat {
  readonly id: string;
  /** The beginning of the first message. */
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly saved: number;
  /** Name of the model that answered last. */
  readonly model: string;
  readonly system: string;
  readonly messages: readonly { readonly role: "user" | "assistant"; readonly content: string }[];
}

const FOLDER = "chats";
/** Longest file that is read: nobody writes more, and a damaged one may be of any size. */
const MOST_BYTES = 4 * 2 ** 20;

export class ChatStore {
  readonly #folder: FileSystemDirectoryHandle;

  private constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  /** @returns undefined where the browser has no private files for this page */
  static async open(): Promise<ChatStore | undefined> {
    try {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle(FOLDER, { create: true });
      // Safari before 26 has folders whose files only a worker may write.
      return "createWritable" in FileSystemFileHandle.prototype ? new ChatStore(folder) : undefined;
    } catch {
      return undefined;
    }
  }

  /** All that can be read, the latest first; what is no chat is left alone. */
  async list(): Promise<SavedChat[]> {
    const chats: SavedChat[] = [];
    for await (const handle of this.#folder.values()) {
      const chat = handle.kind === "file" ? await read(handle as FileSystemFileHandle) : undefined;
      if (chat) chats.push(chat);
    }
    return chats.toSorted((a, b) => b.saved - a.saved);
  }

  async write(chat: SavedChat): Promise<void> {
    const handle = await this.#folder.getFileHandle(`${chat.id}.json`, { create: true });
    const file = await handle.createWritable();
    await file.write(JSON.stringify(chat));
    await file.close();
  }

  async remove(id: string): Promise<void> {
    await this.#folder.removeEntry(`${id}.json`);
  }
}

async function read(handle: FileSystemFileHandle): Promise<SavedChat | undefined> {
  try {
    const file = await handle.getFile();
    const chat = file.size <= MOST_BYTES ? (JSON.parse(await file.text()) as SavedChat) : undefined;
    return chat && isChat(chat) && handle.name === `${chat.id}.json` ? chat : undefined;
  } catch {
    return undefined;
  }
}

function isChat({ id, title, saved, model, system, messages }: SavedChat): boolean {
  return (
    [id, title, model, system].every((text) => typeof text === "string") &&
    Number.isFinite(saved) &&
    Array.isArray(messages) &&
    messages.every(({ role, content }) => (role === "user" || role === "assistant") && typeof content === "string")
  );
}
