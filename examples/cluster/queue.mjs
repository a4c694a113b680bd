/** The queue that all share: REDIS_URL says where, by default redis://127.0.0.1:6379. */
import { Redis } from "ioredis";

export const QUEUE = "fptq";
export const connect = () => new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379", { maxRetriesPerRequest: null });
