/** The whole of a shared limit in simulated time: processes, the keeper's bucket, messages that take their time or are lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../testing/seeded.ts';
import { RateAccount, type RateReport } from './rate-account.ts';
import { RateLimit } from './rate-limit.ts';

const PAUSE_MS = 20;
const KEY = 'key';

interface Wish {
  readonly processes: number;
  /** Milliseconds there, and as many back. */
  readonly latencyMs: number;
  readonly config: { readonly requests: number; readonly perMs: number; readonly burst?: number };
  /** Requests a second, of all. */
  readonly offered: number;
  readonly forMs: number;
  /** Of the messages, 0 to 1. */
  readonly lost?: number;
}

interface Letter {
  readonly atMs: number;
  readonly from: number;
  readonly report?: RateReport;
  readonly fullMs?: number;
}

/** When requests were let in; those that would have had to wait for a word come again when there is one. */
function play(wish: Wish): {
  readonly letIn: readonly number[];
  readonly denied: number;
  held: number;
} {
  const { processes, latencyMs, offered, forMs, lost = 0 } = wish;
  const seed = seeded(7);
  const random = (): number => seed.next();
  const bucket = new RateLimit(wish.config);
  const accounts = Array.from({ length: processes }, () => new RateAccount());
  const busy = accounts.map(() => false);
  const nextAtMs = accounts.map(() => 0);
  const held = accounts.map(() => 0);
  let letters: Letter[] = [];
  const letIn: number[] = [];
  let denied = 0;
  let waited = 0;
  const ask = (from: number, nowMs: number): void => {
    const account = accounts[from];
    if (account === undefined) return;
    const word = account.take(bucket.pace, nowMs, processes);
    if (word.kind === 'allowed') letIn.push(nowMs);
    else if (word.kind === 'denied') denied++;
    else held[from] = (held[from] ?? 0) + 1;
  };
  for (let nowMs = 0; nowMs < forMs; nowMs++) {
    const due = letters.filter(({ atMs }) => atMs <= nowMs);
    letters = letters.filter(({ atMs }) => atMs > nowMs);
    for (const { from, report, fullMs } of due) {
      const account = accounts[from];
      if (account === undefined) continue;
      if (report !== undefined) {
        const full = bucket.charge(KEY, report, nowMs);
        letters.push({ atMs: nowMs + latencyMs, from, fullMs: full });
        continue;
      }
      busy[from] = false;
      nextAtMs[from] = nowMs + PAUSE_MS;
      if (fullMs === undefined) account.missed(bucket.pace, { nowMs, processes });
      else account.answered(bucket.pace, fullMs, { nowMs, processes });
      const again = held[from] ?? 0;
      held[from] = 0;
      waited += again;
      for (let one = 0; one < again; one++) ask(from, nowMs);
    }
    const expected = offered / 1000;
    const count = Math.floor(expected) + (random() < expected % 1 ? 1 : 0);
    for (let one = 0; one < count; one++) ask(Math.floor(random() * processes), nowMs);
    for (const [from, account] of accounts.entries()) {
      const waits = (held[from] ?? 0) > 0;
      const isDue = waits || (account.owes && nowMs >= (nextAtMs[from] ?? 0));
      if (busy[from] === true || !isDue) continue;
      busy[from] = true;
      const report = account.report(nowMs);
      if (random() < lost) letters.push({ atMs: nowMs + 5 * latencyMs, from });
      else letters.push({ atMs: nowMs + latencyMs, from, report });
    }
  }
  return { letIn, denied, held: waited };
}

/** The most in any stretch of that length. */
function mostWithin(letIn: readonly number[], lengthMs: number): number {
  let most = 0;
  let first = 0;
  for (const [at, ms] of letIn.entries()) {
    while ((letIn[first] ?? 0) <= ms - lengthMs) first++;
    most = Math.max(most, at - first + 1);
  }
  return most;
}

const FLOODS: readonly Wish[] = [
  {
    processes: 2,
    latencyMs: 1,
    config: { requests: 100, perMs: 1000 },
    offered: 1000,
    forMs: 20_000,
  },
  {
    processes: 6,
    latencyMs: 2,
    config: { requests: 100, perMs: 1000, burst: 10 },
    offered: 5000,
    forMs: 20_000,
  },
  {
    processes: 6,
    latencyMs: 50,
    config: { requests: 20, perMs: 1000 },
    offered: 500,
    forMs: 30_000,
  },
  {
    processes: 12,
    latencyMs: 5,
    config: { requests: 5, perMs: 1000, burst: 1 },
    offered: 300,
    forMs: 30_000,
  },
  {
    processes: 4,
    latencyMs: 5,
    config: { requests: 50, perMs: 1000 },
    offered: 900,
    forMs: 20_000,
    lost: 0.3,
  },
];

test('a flood over many processes gets what the limit says, and one burst more at most', () => {
  for (const wish of FLOODS) {
    const { requests, perMs, burst = requests } = wish.config;
    const { letIn, denied } = play(wish);
    const said = JSON.stringify(wish);
    const owed = Math.max(burst, wish.processes);
    for (const lengthMs of [1000, 5000, wish.forMs]) {
      const most = mostWithin(letIn, lengthMs);
      assert.ok(
        most <= (requests * lengthMs) / perMs + burst + owed,
        `${most} in ${lengthMs}: ${said}`,
      );
    }
    const fair = (requests * wish.forMs) / perMs;
    assert.ok(letIn.length >= 0.9 * fair, `${letIn.length} of ${fair}: ${said}`);
    assert.ok(denied > 0, said);
  }
});

test('who stays below the limit is never refused, and hardly ever waits for a word', () => {
  for (const processes of [2, 6]) {
    const config = { requests: 1000, perMs: 1000 };
    const { letIn, denied, held } = play({
      processes,
      latencyMs: 2,
      config,
      offered: 800,
      forMs: 20_000,
    });
    assert.equal(denied, 0);
    assert.ok(letIn.length > 15_000);
    assert.equal(held, 0);
  }
});

test('a small burst is let in whole, whichever process is asked', () => {
  const limit = new RateLimit({ requests: 10, perMs: 60_000, burst: 5 });
  const account = new RateAccount();
  let allowed = 0;
  for (let at = 0; at < 20; at++) {
    const word = account.take(limit.pace, at, 6);
    if (word.kind === 'allowed') allowed++;
    if (word.kind === 'denied') break;
    if (word.kind !== 'unknown') continue;
    const fullMs = limit.charge(KEY, account.report(at), at);
    account.answered(limit.pace, fullMs, { nowMs: at, processes: 6 });
  }
  assert.equal(allowed, 5);
});

test('a new keeper begins with what others know of the bucket', () => {
  const config = { requests: 10, perMs: 10_000 };
  const old = new RateLimit(config);
  const [one, two] = [new RateAccount(), new RateAccount()];
  const processes = 2;
  for (const account of [one, two]) {
    for (let time = 0; time < 4; time++) account.take(old.pace, 0, processes);
    const fullMs = old.charge(KEY, account.report(0), 0);
    account.answered(old.pace, fullMs, { nowMs: 0, processes });
  }
  const next = new RateLimit(config);
  assert.equal(two.take(old.pace, 0, processes).kind, 'allowed');
  assert.equal(next.charge(KEY, two.report(0), 0), 9000);
  assert.equal(next.charge(KEY, one.report(0), 0), 9000);
  assert.equal(next.take(KEY, 0).allowed, true);
  assert.equal(next.take(KEY, 0).allowed, false);
});
