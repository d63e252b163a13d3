/** One JSON question and its JSON answer over a unix socket: POST, with a limit on what comes back. */
import { type Agent, request as httpRequest } from 'node:http';

export interface JsonExchange {
  readonly socketPath: string;
  readonly agent: Agent;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly answerBytesMax: number;
  readonly signal?: AbortSignal;
  /** Without a word for so long it is given up. */
  readonly silentMs?: number;
}

/** Of any status. Rejects when there is no whole answer, or none in JSON. */
export async function exchangeJson(
  asked: JsonExchange,
): Promise<{ readonly status: number; readonly value: unknown }> {
  const { socketPath, agent, path, headers, body, answerBytesMax, signal, silentMs } = asked;
  const { promise, resolve, reject } = Promise.withResolvers<{
    readonly status: number;
    readonly value: unknown;
  }>();
  const text = JSON.stringify(body);
  const request = httpRequest({
    socketPath,
    agent,
    method: 'POST',
    path,
    ...(signal === undefined ? {} : { signal }),
    ...(silentMs === undefined ? {} : { timeout: silentMs }),
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...headers,
    },
  });
  request.on('error', reject);
  request.on('timeout', () => request.destroy(new Error('it said nothing for too long')));
  request.on('response', (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('error', reject);
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > answerBytesMax) request.destroy(new Error('its answer is too long'));
      else chunks.push(chunk);
    });
    response.on('end', () => {
      try {
        const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
        resolve({ status: response.statusCode ?? 500, value });
      } catch (error) {
        reject(error as Error);
      }
    });
  });
  request.end(text);
  return await promise;
}
