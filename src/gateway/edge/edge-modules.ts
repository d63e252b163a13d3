/** The edge modules of one gateway process: each is in one thread, whatever the number of routes that have it. */
import type { Logger } from '../../base/log.ts';
import type { Clock } from '../../base/time.ts';
import type { RouteConfig } from '../config.ts';
import type { EdgeConfig } from '../site-config.ts';
import { EdgeModule } from './edge-module.ts';

export class EdgeModules implements Disposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #modules = new Map<string, EdgeModule>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  of(config: EdgeConfig): EdgeModule {
    const key = keyOf(config);
    const known = this.#modules.get(key);
    if (known !== undefined) return known;
    const module = new EdgeModule({ config, clock: this.#clock, log: this.#log });
    this.#modules.set(key, module);
    return module;
  }

  /** Ends those that no route has any more, when their requests are done. */
  keep(routes: readonly RouteConfig[]): void {
    const wanted = new Set(
      routes.flatMap(({ site }) => (site?.edge === undefined ? [] : [keyOf(site.edge)])),
    );
    for (const [key, module] of this.#modules) {
      if (wanted.has(key)) continue;
      this.#modules.delete(key);
      module.retire();
    }
  }

  [Symbol.dispose](): void {
    for (const module of this.#modules.values()) module[Symbol.dispose]();
    this.#modules.clear();
  }
}

function keyOf({ source, timeoutMs }: EdgeConfig): string {
  return `${timeoutMs} ${source}`;
}
