/**
 * Generations that end when a signal is aborted. Any number of them may have one signal, as the choices of
 * one request do: it gets one listener for all, since Node takes more than ten for a leak and warns of it.
 */

/** Those of one signal, and what listens for them. */
interface Followers {
  readonly controllers: Set<AbortController>;
  readonly listener: () => void;
}

const followers = new WeakMap<AbortSignal, Followers>();

/**
 * Aborts a controller when a signal is; what is returned ends that. A signal that lives long holds the
 * controllers that follow it, and nothing else.
 */
export function follow(signal: AbortSignal | undefined, controller: AbortController): () => void {
  if (!signal) return () => {};
  if (signal.aborted) {
    controller.abort(signal.reason);
    return () => {};
  }
  let own = followers.get(signal);
  if (!own) {
    own = listening(signal);
    followers.set(signal, own);
  }
  const { controllers, listener } = own;
  if (controllers.size === 0) signal.addEventListener("abort", listener);
  controllers.add(controller);
  return () => {
    controllers.delete(controller);
    if (controllers.size === 0) signal.removeEventListener("abort", listener);
  };
}

function listening(signal: AbortSignal): Followers {
  const controllers = new Set<AbortController>();
  const listener = () => {
    for (const controller of controllers) controller.abort(signal.reason);
  };
  return { controllers, listener };
}
