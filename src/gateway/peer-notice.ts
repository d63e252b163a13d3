/** One message to another gateway process that has no body either way, and may be said twice; 204 is the answer to it. */
import type { ResponseHead } from '../http/head.ts';
import { UpstreamExchange } from './upstream-exchange.ts';

export abstract class PeerNotice extends UpstreamExchange {
  protected readonly method = 'DELETE';

  /** `head`: request line and fields, with the empty line. */
  protected say(route: Parameters<UpstreamExchange['ask']>[0], head: string): void {
    this.ask(route, head, true);
    this.socket?.out.flush();
  }

  /** Whether it was heard; the connection is kept if so. */
  protected wasHeard(head: ResponseHead, from: number, to: number): boolean {
    const isHeard = head.status === 204;
    if (isHeard) this.release(from === to);
    else this.leave();
    return isHeard;
  }

  protected chosen(): void {}
  protected reached(): void {
    this.socket?.out.flush();
  }

  protected sendEnd(): void {}
  protected interim(): void {}
  protected answerBytes(): void {}
  protected settled(): void {}

  protected switched(): void {
    this.refuseSwitch();
  }

  protected answerEnds(): boolean {
    return false;
  }
}
