/**
 * The thread in which one edge module runs: a request comes in as a message, what the module makes of it goes out. The module
 * is one file without imports; it has what the Web platform has, and neither the gateway's memory nor its environment.
 */
import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { EdgeAsk, EdgeFields, EdgeVerdict, FromThread, ToThread } from './edge-message.ts';

/** `workerData` of the thread. */
export interface EdgeThreadData {
  /** JavaScript, a module. */
  readonly source: string;
  readonly answerBytesMax: number;
  /** Shared: the last request that was begun. They begin in order. */
  readonly begun: Float64Array;
}

/** Second argument of a module's function. */
interface EdgeContext {
  readonly client: string;
}

type Handler = (request: Request, context: EdgeContext) => unknown;

const BODYLESS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

const port = parentPort;
if (port === null) throw new Error('This file is the beginning of a thread');
const { source, answerBytesMax, begun } = workerData as EdgeThreadData;
const say = (message: FromThread): void => port.postMessage(message);

registerHooks({
  resolve(specifier, context, next) {
    if (context.parentURL?.startsWith('data:') === true) {
      throw new Error(`An edge module is one file and imports nothing, "${specifier}" neither`);
    }
    return next(specifier, context);
  },
});

async function load(): Promise<Handler> {
  // Not a wall, but nobody reaches for the machine by accident.
  Reflect.deleteProperty(globalThis, 'process');
  const url = `data:text/javascript;base64,${Buffer.from(source).toString('base64')}`;
  const loaded: unknown = await import(url);
  const handler = (loaded as { readonly default?: unknown }).default;
  if (typeof handler !== 'function') {
    throw new Error('An edge module exports a function as default: export default (request) => …');
  }
  return handler as Handler;
}

async function verdictOf(handler: Handler, ask: EdgeAsk): Promise<EdgeVerdict> {
  const { url, method, fields, body, client } = ask;
  const request = new Request(url, {
    method,
    headers: fields.map(([name, value]): [string, string] => [name, value]),
    ...(body === undefined || BODYLESS.has(method) ? {} : { body }),
  });
  const given = await handler(request, { client });
  if (given === undefined) return { kind: 'pass' };
  if (given instanceof Response) return answerOf(given);
  if (given instanceof Request) return passOf(given, request);
  return { kind: 'failed', reason: 'It gave neither a Response, a Request nor nothing' };
}

async function answerOf(response: Response): Promise<EdgeVerdict> {
  const { status, headers } = response;
  if (status < 200) return { kind: 'failed', reason: `It gave a Response of status ${status}` };
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    const chunk = part as Uint8Array;
    bytes += chunk.length;
    if (bytes > answerBytesMax) {
      return { kind: 'failed', reason: `Its answer is larger than ${answerBytesMax} bytes` };
    }
    parts.push(chunk);
  }
  return { kind: 'answer', status, fields: [...headers], body: Buffer.concat(parts) };
}

/** Another URL of the same site, other fields, or both. */
function passOf(given: Request, request: Request): EdgeVerdict {
  const [to, from] = [new URL(given.url), new URL(request.url)];
  if (to.origin !== from.origin) {
    return { kind: 'failed', reason: `It passed the request on to ${to.origin}` };
  }
  const target = to.pathname + to.search;
  return { kind: 'pass', target, fields: [...given.headers] as EdgeFields };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Told before the first request is looked at. */
const loading = load().catch((error: unknown) => {
  say({ broken: reasonOf(error) });
  return undefined;
});

async function handle(ask: EdgeAsk): Promise<void> {
  const handler = await loading;
  if (handler === undefined) return;
  begun[0] = ask.id;
  let verdict: EdgeVerdict;
  try {
    verdict = await verdictOf(handler, ask);
  } catch (error) {
    verdict = { kind: 'failed', reason: reasonOf(error) };
  }
  say({ id: ask.id, verdict });
}

port.on('message', (message: ToThread) => {
  if (typeof message === 'number') say({ pong: message });
  else void handle(message);
});
