/**
 * The live samples of this node, with the apps' figures summed over all nodes: a request counts at the node whose gateway it
 * came to. The others are asked only while somebody looks; one that does not answer is left out.
 */
import type { LiveSample } from '../api/model.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { array, integer, object, record, type Schema } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import type { NodeMethods, Peers } from '../cluster/cluster.ts';
import type { LiveFeed } from './live-feed.ts';
import { SAMPLES_KEPT } from './live-meter.ts';

const METHOD = 'live.apps';
/** Samples come each second; one that waited longer would be late for its chart. */
const ANSWER_WITHIN_MS = 800;
/** Samples of two nodes that lie further apart are not of the same second. */
const APART_MS_MAX = 1500;

/** What one node's gateways counted for apps, the oldest first. */
export interface FarSamples {
  /** Ages in milliseconds when it answered: clocks of nodes may differ. */
  readonly ages: readonly number[];
  /** By app, as long as `ages`: whole numbers, so in a thousand seconds. */
  readonly apps: Readonly<
    Record<string, { readonly requests: readonly number[]; readonly errors: readonly number[] }>
  >;
}

const whole = array(integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
const farSchema: Schema<FarSamples> = object({
  ages: whole,
  apps: record(object({ requests: whole, errors: whole })),
});
const paramsSchema = object({ samples: integer({ min: 1, max: SAMPLES_KEPT }) });

export interface ClusterLiveOptions {
  readonly feed: Pick<LiveFeed, 'history' | 'follow'>;
  readonly peers: Pick<Peers, 'all' | 'self' | 'call'>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class ClusterLive {
  readonly #options: ClusterLiveOptions;

  constructor(options: ClusterLiveOptions) {
    this.#options = options;
  }

  /** The last samples, oldest first. */
  async history(): Promise<readonly LiveSample[]> {
    const far = await this.#ask(SAMPLES_KEPT);
    return summed(this.#options.feed.history(), far, this.#options.clock.now());
  }

  /** Samples from now on, until the signal aborts. */
  async *follow(signal: AbortSignal): AsyncIterable<LiveSample> {
    for await (const sample of this.#options.feed.follow(signal)) {
      yield* summed([sample], await this.#ask(1), this.#options.clock.now());
    }
  }

  /** What other nodes may ask this one. */
  methods(): NodeMethods['methods'] {
    return {
      [METHOD]: (params) => {
        const { samples } = paramsSchema.decode(params, METHOD);
        const { feed, clock } = this.#options;
        return Promise.resolve(farSamples(feed.history().slice(-samples), clock.now()));
      },
    };
  }

  async #ask(samples: number): Promise<readonly FarSamples[]> {
    const { peers, log } = this.#options;
    const others = peers
      .all()
      .filter(({ id, state }) => id !== peers.self && (state === 'ready' || state === 'draining'));
    const answers = await Promise.all(
      others.map(async ({ id, name }) => {
        try {
          const deadlineMs = ANSWER_WITHIN_MS;
          const answer = await peers.call(id, METHOD, { samples }, { deadlineMs });
          return [farSchema.decode(answer, METHOD)];
        } catch (error) {
          log.debug('A node gives no live figures', { node: name, reason: messageOf(error) });
          return [];
        }
      }),
    );
    return answers.flat();
  }
}

/** As another node is told of them. Pure. */
export function farSamples(samples: readonly LiveSample[], now: number): FarSamples {
  const names = new Set(samples.flatMap(({ apps }) => Object.keys(apps)));
  const apps = [...names].map((name) => {
    const each = samples.map((sample) => sample.apps[name]);
    return [
      name,
      {
        requests: each.map((one) => Math.round((one?.requestsPerSecond ?? 0) * 1000)),
        errors: each.map((one) => Math.round((one?.errorsPerSecond ?? 0) * 1000)),
      },
    ] as const;
  });
  return {
    ages: samples.map(({ at }) => Math.max(0, now - at)),
    apps: Object.fromEntries(apps),
  };
}

/** Each sample with what the other nodes counted in the same second. Pure. */
export function summed(
  samples: readonly LiveSample[],
  far: readonly FarSamples[],
  now: number,
): readonly LiveSample[] {
  return samples.map((sample) => {
    const apps = { ...sample.apps };
    for (const node of far) {
      const index = nearest(node.ages, now - sample.at);
      if (index === undefined) continue;
      for (const [name, { requests, errors }] of Object.entries(node.apps)) {
        const own = apps[name];
        apps[name] = {
          requestsPerSecond: (own?.requestsPerSecond ?? 0) + (requests[index] ?? 0) / 1000,
          errorsPerSecond: (own?.errorsPerSecond ?? 0) + (errors[index] ?? 0) / 1000,
        };
      }
    }
    return { ...sample, apps };
  });
}

/** Where in falling ages the nearest one is, unless it is too far away. */
function nearest(ages: readonly number[], age: number): number | undefined {
  let low = 0;
  let high = ages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ages[middle] ?? 0) > age) low = middle + 1;
    else high = middle;
  }
  const [best] = [low - 1, low]
    .flatMap((index) => {
      const apart = Math.abs((ages[index] ?? Infinity) - age);
      return apart <= APART_MS_MAX ? [{ index, apart }] : [];
    })
    .toSorted((a, b) => a.apart - b.apart);
  return best?.index;
}
