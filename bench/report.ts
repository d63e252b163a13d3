/** From single measurements to the Markdown tables of docs/benchmarks.md. */
import { median, type Memory } from './tools.ts';

export interface Measurement {
  readonly scenario: string;
  readonly server: string;
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number;
  /** Of the server's core during the round: other programs and the host. */
  readonly othersShare: number;
}

export interface IdleMemory {
  readonly server: string;
  readonly connections: number;
  readonly before: Memory;
  readonly after: Memory;
}

export interface GatewayReport {
  readonly date: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly seconds: number;
  readonly measured: readonly Measurement[];
  readonly idle: readonly IdleMemory[];
}

const MIB = 1024 * 1024;

export function formatReport(report: GatewayReport): string {
  const versions = Object.entries(report.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  const others = Math.round(median(report.measured.map(({ othersShare }) => othersShare)) * 100);
  return [
    `${report.date}; ${versions}; medians of ${report.rounds} rounds of ${report.seconds} s each. ` +
      `Other work took ${others} % of the server's core (median).`,
    '',
    speedTable(report.measured),
    ...(report.idle.length === 0 ? [] : ['', memoryTable(report.idle)]),
    '',
  ].join('\n');
}

function speedTable(measured: readonly Measurement[]): string {
  const rows = [
    '| | server | requests/s | CPU per request | ratio to nginx |',
    '|---|---|--:|--:|--:|',
  ];
  const scenarios = [...new Set(measured.map(({ scenario }) => scenario))];
  for (const scenario of scenarios) {
    const here = measured.filter((item) => item.scenario === scenario);
    const micros = (server: string): number =>
      median(here.filter((item) => item.server === server).map((item) => item.cpuMicrosPerRequest));
    for (const server of new Set(here.map((item) => item.server))) {
      const rate = median(
        here.filter((item) => item.server === server).map((item) => item.requestsPerSecond),
      );
      const ratio = micros('nginx') / micros(server);
      rows.push(
        `| ${scenario} | ${server} | ${Math.round(rate)} | ${micros(server).toFixed(1)} µs | ` +
          `${Number.isNaN(ratio) ? '' : ratio.toFixed(2)} |`,
      );
    }
  }
  return rows.join('\n');
}

function memoryTable(idle: readonly IdleMemory[]): string {
  const rows = [
    '| idle connections | server | before (RSS) | with them (RSS) | with them (PSS) | per connection |',
    '|--:|---|--:|--:|--:|--:|',
  ];
  for (const { server, connections, before, after } of idle) {
    const each = (after.rssBytes - before.rssBytes) / connections / 1024;
    const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
    rows.push(
      `| ${connections} | ${server} | ${mib(before.rssBytes)} | ${mib(after.rssBytes)} | ` +
        `${mib(after.pssBytes)} | ${each.toFixed(1)} KiB |`,
    );
  }
  return rows.join('\n');
}
