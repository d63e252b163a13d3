/**
 * Events as they happen. Follows the stream, which tells those from now on, and reads the list at first and every few
 * seconds, so that nothing is missed while the stream opens or was broken.
 */
import type { EventDetail } from '../../api/model.ts';
import type { Clock } from '../../base/time.ts';
import { isMolnError, messageOf } from '../../base/errors.ts';
import { LOGGED_OUT } from './api.ts';
import { mergeEvents } from './event-facts.ts';
import { backoffMs } from './live-feed.ts';

const LIST_EVERY_MS = 5000;

export interface EventState {
  /** Oldest first. */
  readonly events: readonly EventDetail[];
  readonly connection: 'connecting' | 'live' | 'lost';
  /** Why the last try failed. */
  readonly failure: string | undefined;
}

export interface EventSource {
  events(signal?: AbortSignal): Promise<readonly EventDetail[]>;
  followEvents(signal: AbortSignal): AsyncIterable<EventDetail>;
}

export class EventFeed {
  readonly #source: EventSource;
  readonly #clock: Clock;
  readonly #onChange: (state: EventState) => void;
  #state: EventState;

  constructor(options: {
    readonly source: EventSource;
    readonly clock: Clock;
    readonly first: readonly EventDetail[];
    readonly onChange: (state: EventState) => void;
  }) {
    this.#source = options.source;
    this.#clock = options.clock;
    this.#onChange = options.onChange;
    this.#state = { events: options.first, connection: 'connecting', failure: undefined };
  }

  /** Follows until the signal aborts or the session ends. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#state.events.at(-1)?.id;
      let failure: string | undefined;
      try {
        await this.#follow(signal);
      } catch (error) {
        // The frame replaces the page of whoever is logged out.
        if (isMolnError(error, LOGGED_OUT)) return;
        failure = messageOf(error);
      }
      if (signal.aborted) return;
      failures = this.#state.events.at(-1)?.id === before ? failures + 1 : 1;
      this.#set({ connection: 'lost', failure });
      await this.#clock.sleep(backoffMs(failures), signal).catch(() => undefined);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    const either = AbortSignal.any([signal, end.signal]);
    const list = async (): Promise<void> => this.#add(await this.#source.events(either));
    const again = (): void => {
      list().catch((error: unknown) => end.abort(error));
    };
    using _lists = this.#clock.every(LIST_EVERY_MS, again);
    await list();
    try {
      for await (const event of this.#source.followEvents(either)) this.#add([event]);
    } catch (error) {
      // A list that failed has cut the stream off: its reason says more.
      throw end.signal.aborted ? end.signal.reason : error;
    }
  }

  #add(more: readonly EventDetail[]): void {
    this.#set({
      events: mergeEvents(this.#state.events, more),
      connection: 'live',
      failure: undefined,
    });
  }

  #set(change: Partial<EventState>): void {
    this.#state = { ...this.#state, ...change };
    this.#onChange(this.#state);
  }
}
