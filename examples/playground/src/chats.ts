/** The conversations that are kept: which is open, and what becomes of it. */
import { ChatStore, type SavedChat } from "./chat-store.ts";
import { sourceName } from "./sources.ts";
import type { State } from "./state.ts";

/** Longest title of a chat, in characters. */
const MOST_TITLE = 60;

export class Chats {
  readonly #state: State;
  readonly #changed: () => void;
  readonly #store: Promise<ChatStore | undefined>;
  /** The one that is open, once it is kept. */
  #id: string | undefined;

  /** @param changed asks for the page to be drawn again */
  constructor(state: State, changed: () => void) {
    this.#state = state;
    this.#changed = changed;
    this.#store = ChatStore.open();
    void this.#refresh();
  }

  get openId(): string | undefined {
    return this.#id;
  }

  /** Begins another one; what there was stays kept. */
  begin(): void {
    this.#id = undefined;
    Object.assign(this.#state, { messages: [], chatError: undefined });
    this.#changed();
  }

  open({ id, system, messages }: SavedChat): void {
    this.#id = id;
    Object.assign(this.#state, {
      view: "chat",
      system,
      messages: messages.map((message) => ({ ...message })),
      chatError: undefined,
    });
    this.#changed();
  }

  /** Keeps the open one as it is now. */
  async keep(): Promise<void> {
    const { messages, source, system } = this.#state;
    const [first] = messages;
    if (first === undefined) return;
    const id = (this.#id ??= crypto.randomUUID());
    await this.#change((store) =>
      store.write({
        id,
        title: first.content.replaceAll(/\s+/g, " ").slice(0, MOST_TITLE),
        saved: Date.now(),
        model: sourceName(source),
        system,
        messages: messages.map(({ role, content }) => ({ role, content })),
      }),
    );
  }

  async remove(chat: SavedChat): Promise<void> {
    if (chat.id === this.#id) this.begin();
    await this.#change((store) => store.remove(chat.id));
    this.#state.removed = chat;
    this.#state.announcement = "Deleted.";
    this.#changed();
  }

  /** Takes the last deletion back. */
  async restore(): Promise<void> {
    const { removed } = this.#state;
    this.#state.removed = undefined;
    if (removed) await this.#change((store) => store.write(removed));
  }

  async #change(change: (store: ChatStore) => Promise<void>): Promise<void> {
    const store = await this.#store;
    if (!store) return;
    try {
      await change(store);
    } catch (error) {
      const { name, message } = error as Error;
      this.#state.warnings.push(
        `This chat could not be kept: ${name === "QuotaExceededError" ? "the browser's storage is full" : message}.`,
      );
    }
    await this.#refresh();
  }

  async #refresh(): Promise<void> {
    const store = await this.#store;
    this.#state.chats = store ? await store.list() : "none";
    this.#changed();
  }
}
