/** How the answer to "why is it slow" is printed. */
import { isoTime } from '../../base/time.ts';
import { STAGES, type SlowExample, type SlowReport } from '../../gateway/gateway.ts';
import type { Context } from '../command.ts';
import { count } from '../words.ts';
import { share } from './cache-words.ts';

/** What a stage is, for somebody who has not read about it. */
const MEANING: Readonly<Record<(typeof STAGES)[number], string>> = {
  queue: 'waiting for its turn',
  connect: 'connecting, other upstreams too',
  upload: 'the client sends its body',
  firstByte: 'the upstream thinks',
  body: 'the upstream sends its answer',
  client: 'the client reads slowly',
  gateway: 'files, the cache, the gateway',
};

export function printSlow({ words }: Context, report: SlowReport): void {
  const { route, requests, totalMs, stages, examples } = report;
  if (route === undefined) {
    words.line('No route answers this URL');
    return;
  }
  if (requests === 0) {
    words.line(`Route ${route} was not asked in the last ten minutes`);
    return;
  }
  const { p50, p90, p99, max } = totalMs;
  const all = `half within ${ms(p50)}, p90 ${ms(p90)}, p99 ${ms(p99)}, slowest ${ms(max)}`;
  words.line(`${words.style('bold', `Route ${route}`)}: ${count(requests, 'request')}, ${all}`);
  words.table(
    ['STAGE', 'SHARE', 'P50', 'P90', 'P99', 'MAX', 'WHAT'],
    stages.map(({ name, share: part, ms: times }) => [
      name,
      share(part, 1),
      ms(times.p50),
      ms(times.p90),
      ms(times.p99),
      ms(times.max),
      MEANING[name as (typeof STAGES)[number]] ?? '',
    ]),
  );
  words.line();
  words.table(['SLOWEST', 'AT', 'ID', 'STATUS', 'MOST OF IT', 'REQUEST'], examples.map(exampleRow));
}

function exampleRow(example: SlowExample): readonly string[] {
  const { totalMs, stagesMs, time, id, status, method, url } = example;
  const longest = stagesMs.reduce((at, value, index) => {
    return value > (stagesMs[at] ?? 0) ? index : at;
  }, 0);
  const most = `${STAGES[longest] ?? ''} ${ms(stagesMs[longest] ?? 0)}`;
  return [ms(totalMs), isoTime(time), id, String(status), most, `${method} ${url}`];
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}
