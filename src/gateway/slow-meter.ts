/**
 * Where the time of a route's recent requests went. One row of numbers for each of the last ones, in a ring that is made with the first
 * request, and a few of the slowest by name. Percentiles are made when somebody asks.
 */
import type { ClientRequest } from './client-request.ts';
import type { Plane } from './plane.ts';
import type { SlowExample } from './slow-report.ts';

/** Per process and route: 7 KiB. */
const KEPT = 200;
const EXAMPLES = 5;
/** Older ones say nothing about now. */
const RECENT_MS = 600_000;
const TARGET_CHARACTERS_MAX = 300;

/** Columns; `STAGES` of `slow-report.ts` from the third on. */
const AT = 0;
const TOTAL = 1;
const FIRST_STAGE = 2;
const COLUMNS = 9;

export class SlowMeter {
  #rows: Float32Array | undefined;
  #next = 0;
  #examples: SlowExample[] = [];
  /** A request that was quicker is no example. */
  #leastMs = 0;

  record(request: ClientRequest, nowMs: number, plane: Plane): void {
    const rows = (this.#rows ??= new Float32Array(KEPT * COLUMNS));
    const at = this.#next * COLUMNS;
    this.#next = (this.#next + 1) % KEPT;
    const { times, startedMs } = request;
    const totalMs = nowMs - startedMs;
    rows[at + AT] = nowMs / 1000;
    rows[at + TOTAL] = totalMs;
    const { askedMs, sentMs, uploadedMs, headMs, endMs, clientMs } = times;
    // What was not reached took all the time that was left.
    const asked = askedMs === 0 ? startedMs : askedMs;
    const sent = sentMs === 0 && askedMs > 0 ? nowMs : sentMs || asked;
    const uploaded = Math.max(sent, uploadedMs);
    const head = headMs === 0 && askedMs > 0 ? nowMs : headMs || uploaded;
    const end = endMs === 0 && askedMs > 0 ? nowMs : endMs || head;
    rows[at + FIRST_STAGE] = asked - startedMs;
    rows[at + FIRST_STAGE + 1] = sent - asked;
    rows[at + FIRST_STAGE + 2] = Math.min(uploaded, head) - sent;
    rows[at + FIRST_STAGE + 3] = Math.max(0, head - uploaded);
    rows[at + FIRST_STAGE + 4] = Math.max(0, end - head - clientMs);
    rows[at + FIRST_STAGE + 5] = clientMs;
    rows[at + FIRST_STAGE + 6] = nowMs - end;
    if (totalMs > this.#leastMs || this.#examples.length < EXAMPLES) {
      this.#keep(request, at, nowMs, plane);
    }
  }

  /** Rows of total and stages, youngest last or first; empty when nothing was asked lately. */
  recent(nowMs: number): readonly (readonly number[])[] {
    const rows = this.#rows;
    if (rows === undefined) return [];
    const fromS = (nowMs - RECENT_MS) / 1000;
    return Array.from({ length: KEPT }, (_, index) => index * COLUMNS)
      .filter((at) => (rows[at + AT] ?? 0) > Math.max(0, fromS))
      .map((at) => Array.from(rows.subarray(at + TOTAL, at + COLUMNS), rounded));
  }

  examples(epochMs: number): readonly SlowExample[] {
    return this.#examples.filter(({ time }) => time > epochMs - RECENT_MS);
  }

  #keep(request: ClientRequest, at: number, nowMs: number, plane: Plane): void {
    const { method, authority, target, status, upstreamId, trace, number } = request;
    const row = this.#rows?.subarray(at + FIRST_STAGE, at + COLUMNS) ?? [];
    const time = nowMs + plane.epochOffsetMs;
    const recent = this.examples(time);
    const place = `${authority}${target}`.slice(0, TARGET_CHARACTERS_MAX);
    const example: SlowExample = {
      id: plane.idOf(number),
      time: Math.round(time),
      method,
      // A string of its own: a slice would keep the head of a request in memory.
      url: Buffer.from(place, 'latin1').toString('latin1'),
      status,
      totalMs: rounded(nowMs - request.startedMs),
      stagesMs: Array.from(row, rounded),
      upstream: upstreamId,
      traceId: trace?.traceId,
    };
    const sorted = [...recent, example].toSorted((a, b) => b.totalMs - a.totalMs);
    this.#examples = sorted.slice(0, EXAMPLES);
    this.#leastMs = this.#examples.at(-1)?.totalMs ?? 0;
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
