/**
 * `npm run bench -- web-cluster`: what one node serves of an app with a database, and what three do, when each of them has the same part of
 * a core: so three fit on this machine, beside who asks. A node alone and a cluster of three stand side by side and are asked in turn, for a
 * machine changes from minute to minute. The same app and the same database; the second and third node join while it runs.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import type { DatabaseDetail } from '../src/api/api.ts';
import { freeNet, TestCluster } from '../testing/test-cluster.ts';
import type { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import { BenchLife } from './bench-life.ts';
import { CpuShare } from './cpu-share.ts';
import { median, requirePrograms } from './tools.ts';

const ALONE = 'alone';
const NAMES = ['a', 'b', 'c'] as const;
const APP = 'web';
const ROWS = 100;
/** Through each gateway. */
const CONNECTIONS = 32;
/** Until V8 has compiled, in the processes of all nodes, what a request runs: each of four nodes sees a quarter of them. */
const WARM_S = 80;
const LEAD_S = 1;
const WITHIN = { withinMs: 120_000 } as const;
const SCENARIOS = { page: '/', 'JSON hello': '/hello' } as const;
const run = promisify(execFile);

interface How {
  /** Percent of a core. */
  readonly share: number;
  readonly rounds: number;
  readonly seconds: number;
}

export async function benchWebCluster(words: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      share: { type: 'string', default: '25' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '4' },
    },
  });
  requirePrograms({ wrk: 'wrk' });
  const { share, rounds, seconds } = values;
  const how = { share: Number(share), rounds: Number(rounds), seconds: Number(seconds) };
  await using life = new BenchLife();
  using shares = new DisposableStack();
  const byNode = [ALONE, ...NAMES].map((name) =>
    shares.use(new CpuShare(`moln-bench-${process.pid}-${name}`)),
  );
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-web-cluster-'));
  try {
    await measure(life, byNode, folder, how);
  } finally {
    await rm(folder, { recursive: true });
  }
  life.passed = true;
}

async function measure(
  life: BenchLife,
  shares: readonly CpuShare[],
  folder: string,
  how: How,
): Promise<void> {
  const net = await freeNet(life);
  const [lone, first, ...later] = shares.map(({ under }, at) => ({
    address: `${net}.${at + 1}`,
    under,
  }));
  if (lone === undefined || first === undefined) throw new Error('No place for a node');
  await writeApp(folder);
  await using alone = await TestCluster.form(life, [ALONE], { places: [lone] });
  await alone.node(ALONE).json('deploy', folder, '--name', APP);
  await using cluster = await TestCluster.form(life, NAMES.slice(0, 1), { places: [first] });
  await cluster.node('a').json('deploy', folder, '--name', APP);
  for (const [at, { address, under }] of later.entries()) {
    const node = await cluster.add(life, NAMES[at + 1] ?? '', address, { under });
    await node.join(await cluster.invite());
  }
  await growsTo(cluster, NAMES);
  for (const path of Object.values(SCENARIOS)) {
    const all = [...alone.nodes, ...cluster.nodes];
    await until('it to be warm', () => load(all, path, WARM_S), WITHIN);
  }
  for (const each of shares) each.limit(how.share);
  const { stripeDetails } = await cluster.node('a').json<DatabaseDetail>('db', 'show', APP);
  const leaders = stripeDetails.map(({ primary }) => primary).join(', ');
  console.log(
    `${how.share} % of a core for each node (${shares[0]?.kind}); primaries of the stripes: ${leaders}\n`,
  );
  console.log('| | one node, requests/s | three nodes, requests/s | ratio | of each round |');
  console.log('|---|--:|--:|--:|--:|');
  for (const [scenario, path] of Object.entries(SCENARIOS)) {
    const pairs = await inTurn(alone.nodes, cluster.nodes, path, how);
    const one = median(pairs.map(([each]) => each));
    const three = median(pairs.map(([, each]) => each));
    const ratios = pairs.map((each) => (each[1] / each[0]).toFixed(2)).join(', ');
    console.log(
      `| ${scenario} | ${Math.round(one)} | ${Math.round(three)} | ${(three / one).toFixed(2)} | ${ratios} |`,
    );
  }
}

/** An instance on each node, and a copy of the database beside it. */
async function growsTo(cluster: TestCluster, names: readonly string[]): Promise<void> {
  const first = cluster.node('a');
  await cluster.isManagedBy(names.length, 'a');
  await first.json('app', APP, 'scale', String(names.length));
  await cluster.runsOn(APP, names, WITHIN);
  await until(
    'a copy of each stripe beside each instance',
    async () => {
      const { stripeDetails } = await first.json<DatabaseDetail>('db', 'show', APP);
      return stripeDetails.every(({ copies }) => copies.length === names.length);
    },
    WITHIN,
  );
}

/** The app of `npm run bench -- web`, with rows that a migration brings. */
async function writeApp(folder: string): Promise<void> {
  await cp(join(import.meta.dirname, 'web/app'), folder, { recursive: true });
  const time = '2026-01-01T00:00:00.000Z';
  const rows = Array.from({ length: ROWS }, (_, at) => {
    const body = `The body of post ${at + 1}, which says "what it says" in a sentence or two of text.`;
    return `('Post <${at + 1}> & more', '${body}', ${at % 2}, '${time}', '${time}')`;
  });
  const insert = `INSERT INTO posts (title, body, published, created_at, updated_at) VALUES\n${rows.join(',\n')};`;
  const path = join(folder, 'migrations/20260102000000_fill_posts.sql');
  await writeFile(path, `${insert}\n\n-- down\nDELETE FROM posts;\n`);
}

/** The most that these and those nodes answer in a second, in rounds of one after the other. */
async function inTurn(
  these: readonly TestNode[],
  those: readonly TestNode[],
  path: string,
  { rounds, seconds }: How,
): Promise<readonly (readonly [number, number])[]> {
  /** Who stood still while the others were asked has a second to begin again, which is not the most that it answers. */
  const most = async (nodes: readonly TestNode[]): Promise<number> => {
    await until('it to keep up', () => load(nodes, path, LEAD_S), WITHIN);
    return await load(nodes, path, seconds);
  };
  const pairs: (readonly [number, number])[] = [];
  for (let round = 0; round < rounds; round++) {
    const pair = [await most(these), await most(those)] as const;
    pairs.push(pair);
    console.error(`${path}: ${pair.map(Math.round).join(', ')}`);
  }
  return pairs;
}

/** Requests a second that were answered through all gateways at once. */
async function load(nodes: readonly TestNode[], path: string, seconds: number): Promise<number> {
  const each = nodes.map(async ({ address, ports }) => {
    const host = `Host: ${APP}.localhost:${ports.http}`;
    const url = `http://${address}:${ports.http}${path}`;
    const words = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--timeout', '10s', '-H', host, url];
    const { stdout } = await run('wrk', words);
    const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
    if (!(requests > 0) || /Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout);
    return requests / seconds;
  });
  return (await Promise.all(each)).reduce((sum, one) => sum + one, 0);
}
