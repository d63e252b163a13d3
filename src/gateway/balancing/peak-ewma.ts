/**
 * The latency of one upstream as Finagle's peak EWMA sees it: a slow answer counts at once, faster ones bring the figure down
 * over time. It fades without answers too, so that one bad answer does not keep an upstream from ever being asked again.
 */

/** After it a latency counts for a third. */
const FADE_MS = 10_000;
/** More than any latency: something is under way and nothing has been answered yet. */
const UNKNOWN_COST = 1e9;

export class PeakEwma {
  #ms = 0;
  #atMs = 0;

  observe(latencyMs: number, nowMs: number): void {
    const faded = this.at(nowMs);
    const old = Math.exp((this.#atMs - nowMs) / FADE_MS);
    this.#ms = latencyMs > faded ? latencyMs : this.#ms * old + latencyMs * (1 - old);
    this.#atMs = nowMs;
  }

  /** As of now; 0 when nothing is known. */
  at(nowMs: number): number {
    return this.#ms * Math.exp((this.#atMs - nowMs) / FADE_MS);
  }

  /** What one more request costs; to be compared. */
  cost(load: number, share: number, nowMs: number): number {
    if (this.#ms === 0) return load === 0 ? 0 : UNKNOWN_COST + load;
    return (this.at(nowMs) * (load + 1)) / share;
  }
}
