/** The agent's questions to a process of its node: HTTP over its unix socket. */
import { Agent, request as httpRequest } from 'node:http';
import { messageOf, MolnError, type ErrorBody } from '../base/errors.ts';
import { exchangeJson } from '../net/net.ts';
import { CONTROL } from './control.ts';
import { CONTROL_BYTES_MAX } from './limits.ts';

export class ControlClient implements Disposable {
  readonly #path: string;
  readonly #away: (why: string) => MolnError;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 2 });

  constructor(options: {
    readonly path: string;
    /** It does not answer. */
    readonly away: (why: string) => MolnError;
  }) {
    this.#path = options.path;
    this.#away = options.away;
  }

  /** Throws what `away` makes, or what the process says is wrong. */
  async ask(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#send(path, body, signal);
    if (answer.status === 200) return answer.value;
    const { error } = answer.value as { readonly error?: ErrorBody };
    throw error === undefined ? this.#away(`status ${answer.status}`) : MolnError.from(error);
  }

  /** Calls once, when the process has ended; disposing forgets it. */
  onceGone(call: () => void): Disposable {
    const request = httpRequest({ socketPath: this.#path, method: 'POST', path: CONTROL.watch });
    request.on('error', call);
    request.on('response', (response) => response.on('close', call).on('error', call).resume());
    request.end();
    return {
      [Symbol.dispose]: () => {
        request.off('error', call).on('error', () => undefined);
        request.destroy();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #send(
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly value: unknown }> {
    try {
      return await exchangeJson({
        socketPath: this.#path,
        agent: this.#agent,
        path,
        body: body ?? {},
        answerBytesMax: CONTROL_BYTES_MAX,
        signal,
      });
    } catch (error) {
      throw this.#away(messageOf(signal.aborted ? signal.reason : error));
    }
  }
}
