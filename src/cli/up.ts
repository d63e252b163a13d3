/** What `moln up` takes: reading and checking of its options, and the node that it is given to start. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { Progress, Status } from '../api/model.ts';
import type { Input, OptionSpec } from './command.ts';
import { usageError } from './errors.ts';
import { readEtcdOption, type EtcdOption } from './etcd-option.ts';

export interface UpOptions {
  /** Absolute. */
  readonly dataFolder: string;
  /** Undefined: the node's known name, else the machine's host name. */
  readonly name: string | undefined;
  /** Where the gateway and the API listen; undefined: all interfaces for the gateway, loopback for the rest. */
  readonly address: string | undefined;
  readonly listen: string | undefined;
  /** Undefined: 80 when root and free, else 8080. Port 0: any free one. */
  readonly httpPort: number | undefined;
  /** Undefined: 443 when root and free, else 8443. */
  readonly httpsPort: number | undefined;
  /** Node, API and console; undefined: 7420. */
  readonly port: number | undefined;
  /** Where gateways answer those of other nodes; undefined: 7423. */
  readonly gatewayPort: number | undefined;
  readonly s3Port: number | undefined;
  readonly webdavPort: number | undefined;
  /** An etcd that somebody else looks after, in place of members of Moln's own. */
  readonly etcd: EtcdOption | undefined;
  readonly region: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Folders to deploy under their own names once the node is up. */
  readonly deploys: readonly { readonly folder: string; readonly app: string }[];
  /** Gateway processes; undefined: one per core. */
  readonly gateways: number | undefined;
  /** Where HAProxy's agent-check is answered; undefined: nowhere. */
  readonly agentPort: number | undefined;
  /** Of the gateways; undefined: json. */
  readonly accessLog: 'json' | 'combined' | 'off' | undefined;
  /** Requests of the gateways are traced. */
  readonly trace: { readonly sample: number; readonly export: string } | undefined;
}

/** A node of this process. The composition root makes it. */
export interface RunningNode {
  status(): Promise<Status>;
  loginLink(): Promise<string>;
  /** What changes wait for now, as a sentence; undefined when for nothing. */
  waitsFor(): string | undefined;
  /** Skips the work, and says so with `done`, when exactly this release is live already. */
  deployFolder(folder: string, app: string): AsyncIterable<Progress>;
  /** Resolves when the node has stopped, whoever asked; rejects when it fell over. */
  readonly stopped: Promise<void>;
  /** Orderly: no new requests, instances drained and ended, everything written. */
  stop(): Promise<void>;
}

export type StartNode = (options: UpOptions) => Promise<RunningNode>;

/** The same for a machine that becomes a node of another's cluster first. */
export type JoinNode = (options: UpOptions & { readonly invite: string }) => Promise<RunningNode>;

const PORT_MAX = 65_535;
const GATEWAYS_MAX = 64;
const TRACE_SAMPLE = 0.01;
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
const LABEL_KEY = /^[a-z0-9][a-z0-9._/-]{0,62}$/i;

export const UP_OPTIONS: readonly OptionSpec[] = [
  { flags: '--name <NODE>', description: "this node's name (default: the machine's host name)" },
  {
    flags: '--address <IP>',
    description: 'listen on this address only (default: all for the gateway, loopback for the API)',
  },
  {
    flags: '--listen <IP>',
    description: 'where the gateway listens, :: for all addresses (default: as --address)',
  },
  {
    flags: '--http <PORT>',
    description: 'gateway, plain HTTP (default: 8080; 80 as root if free)',
  },
  { flags: '--https <PORT>', description: 'gateway, TLS (default: 8443; 443 as root if free)' },
  { flags: '--port <PORT>', description: 'node, API and console (default: 7420)' },
  {
    flags: '--gateway-port <PORT>',
    description: 'where gateways answer those of other nodes (default: 7423)',
  },
  {
    flags: '--s3-port <PORT>',
    description: 'S3 of the file store (default: 7430, once it is used)',
  },
  {
    flags: '--webdav-port <PORT>',
    description: 'WebDAV of the file store (default: 7431, once it is used)',
  },
  { flags: '--region <NAME>', description: 'the site or data centre that this machine stands in' },
  { flags: '--label <KEY=VALUE>', description: 'a free label on the node', repeat: true },
  {
    flags: '--deploy <DIR>',
    description: 'deploy this folder under its own name once the node is up',
    repeat: true,
  },
  { flags: '--gateways <N>', description: 'gateway processes (default: one per core)' },
  { flags: '--agent-port <PORT>', description: "answer HAProxy's agent-check there" },
  { flags: '--access-log <FORMAT>', description: 'json, combined or off (default: json)' },
  { flags: '--trace <URL>', description: 'send spans of requests there, as OTLP over HTTP' },
  { flags: '--trace-sample <SHARE>', description: 'of traces that begin here (default: 0.01)' },
  {
    flags: '--etcd <URL,…>',
    description: 'keep the registry in this etcd, which you look after (default: one of its own)',
  },
  { flags: '--etcd-ca <FILE>', description: 'who signs its certificates (default: the system’s)' },
  { flags: '--etcd-cert <FILE>', description: 'the client certificate for it' },
  { flags: '--etcd-key <FILE>', description: 'and its key' },
];

/** Throws `CLI_USAGE` that names the option. */
export function readUpOptions(input: Input, dataFolder: string, cwd: string): UpOptions {
  const httpPort = wholeNumber(input.text('http'), '--http', 0, PORT_MAX);
  const httpsPort = wholeNumber(input.text('https'), '--https', 0, PORT_MAX);
  const port = wholeNumber(input.text('port'), '--port', 0, PORT_MAX);
  const gatewayPort = wholeNumber(input.text('gateway-port'), '--gateway-port', 0, PORT_MAX);
  const s3Port = wholeNumber(input.text('s3-port'), '--s3-port', 1, PORT_MAX);
  const webdavPort = wholeNumber(input.text('webdav-port'), '--webdav-port', 1, PORT_MAX);
  const agentPort = wholeNumber(input.text('agent-port'), '--agent-port', 1, PORT_MAX);
  checkPortsDiffer({
    '--http': httpPort,
    '--https': httpsPort,
    '--port': port,
    '--gateway-port': gatewayPort,
    '--s3-port': s3Port,
    '--webdav-port': webdavPort,
    '--agent-port': agentPort,
  });
  return {
    dataFolder,
    name: checkedName(input.text('name'), '--name'),
    address: checkedAddress(input.text('address'), '--address'),
    listen: checkedAddress(input.text('listen'), '--listen'),
    httpPort,
    httpsPort,
    port,
    gatewayPort,
    s3Port,
    webdavPort,
    etcd: readEtcdOption(input, cwd),
    region: checkedName(input.text('region'), '--region'),
    labels: readPairs(input.texts('label'), '--label', LABEL_KEY),
    deploys: input.texts('deploy').map((folder) => {
      const absolute = resolve(cwd, folder);
      return { folder: absolute, app: appNameOf(absolute) };
    }),
    gateways: wholeNumber(input.text('gateways'), '--gateways', 1, GATEWAYS_MAX),
    agentPort,
    accessLog: accessLogOf(input.text('access-log')),
    trace: traceOf(input),
  };
}

function accessLogOf(text: string | undefined): UpOptions['accessLog'] {
  if (text === undefined || text === 'json' || text === 'combined' || text === 'off') return text;
  throw usageError(`Option --access-log is "${text}"`, 'Write json, combined or off');
}

function traceOf(input: Input): UpOptions['trace'] {
  const url = input.text('trace');
  const text = input.text('trace-sample');
  const sample = text === undefined ? TRACE_SAMPLE : Number(text);
  if (text === '' || !(sample >= 0 && sample <= 1)) {
    throw usageError(`Option --trace-sample is "${text}", want 0 to 1`, 'Write it as 0.01');
  }
  if (url === undefined && text !== undefined) {
    throw usageError('Option --trace-sample needs --trace', 'Say where spans go: --trace URL');
  }
  if (url === undefined) return undefined;
  if (/^https?:\/\/[^\s@]+$/.test(url) && URL.canParse(url)) return { sample, export: url };
  throw usageError(`Option --trace is no URL of a collector`, 'http://127.0.0.1:4318/v1/traces');
}

/** Port 0, any free one, may be given to all of them. */
function checkPortsDiffer(ports: Readonly<Record<string, number | undefined>>): void {
  const seen = new Map<number, string>();
  for (const [option, port] of Object.entries(ports)) {
    if (port === undefined || port === 0) continue;
    const other = seen.get(port);
    if (other !== undefined) {
      throw usageError(
        `Options ${other} and ${option} both say port ${port}`,
        `Give ${option} another port, or leave it out`,
      );
    }
    seen.set(port, option);
  }
}

/** `KEY=VALUE` words as an object. Throws `CLI_USAGE` for anything else. */
export function readPairs(
  words: readonly string[],
  option: string,
  key: RegExp,
): Readonly<Record<string, string>> {
  const pairs: [string, string][] = [];
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = equals === -1 ? word : word.slice(0, equals);
    if (equals < 1 || !key.test(name)) {
      throw usageError(
        `"${word}" of ${option} is not KEY=VALUE`,
        `Write it as ${option} key=value`,
      );
    }
    pairs.push([name, word.slice(equals + 1)]);
  }
  return Object.fromEntries(pairs);
}

/** A whole number within bounds, undefined when not given. Throws `CLI_USAGE`. */
export function wholeNumber(
  text: string | undefined,
  option: string,
  least: number,
  most: number,
): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  throw usageError(
    `Option ${option} is "${text}", want a whole number from ${least} to ${most}`,
    `Write it as ${option} N`,
  );
}

/** The app's name that a folder suggests: its last part in lower case, other characters as `-`. */
export function appNameOf(folder: string): string {
  const last = folder.split('/').filter(Boolean).at(-1) ?? '';
  const name = last
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  if (name !== '') return name;
  throw usageError(
    `Folder "${folder}" suggests no app name`,
    'Rename it, or deploy it with "moln deploy DIR --name NAME"',
  );
}

function checkedAddress(text: string | undefined, option: string): string | undefined {
  if (text === undefined || isIP(text) !== 0) return text;
  throw usageError(
    `Option ${option} is "${text}", want an IP address`,
    'Write it as 127.0.0.1, 0.0.0.0 or ::1',
  );
}

function checkedName(text: string | undefined, option: string): string | undefined {
  if (text === undefined || NAME.test(text)) return text;
  throw usageError(
    `Option ${option} is "${text}", want lower-case letters, digits and -, at most 40`,
    `Write it as ${option} home-1`,
  );
}
